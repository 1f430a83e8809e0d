/**
 * `npm run bench -- neighbours [DOCUMENTS ...]`, or on a machine with the packed library
 * `bin/node lib/lory/dist/data/similarity/neighbours.bench.js [DOCUMENTS ...]`: the 20 nearest of each document among 10 000, 100 000 and a
 * million on an accelerator, by made-up embeddings of 512 numbers: all pairs, in f32 and with the device's faster products, beside the least
 * that this takes, the products and one look at each; and usearch on all processors. The latter two with the share of the true neighbours that
 * they find. Rows of other sizes stay in results/benchmarks/neighbours.json.
 */
import * as tf from "@tensorflow/tfjs-core";
import os from "node:os";
import { init } from "lory";
import { deviceKind, jit, type Precision } from "tfjs-backend-xla";
import { type BenchmarkRow, openBenchmark } from "tfjs-backend-xla/testing";
import { approximateNeighbours } from "./approximate-neighbours";
import { exactNeighbours, similarities } from "./exact-neighbours";
import { type Embeddings, type Neighbours, recall } from "./neighbours";
import { syntheticEmbeddings } from "./synthetic-embeddings";

const SIZES = [10_000, 100_000, 1_000_000];
const DIMENSION = 512;
const K = 20;
/** What a size's all pairs may take, in seconds: a minute for a million documents, by the pairs. */
const goalSeconds = (documents: number): number => 60 * (documents / 1e6) ** 2;
/** Blocks whose products are timed alone. */
const BLOCK = { query: 4096, key: 65_536, count: 8 };
const EXACT = "all pairs, f32";
const FASTER = "all pairs, the device's default precision";

async function seconds<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - start) / 1000 };
}

/** Seconds for the products of all pairs with one look at each, from a few blocks. */
async function leastSeconds({ vectors_ND }: Embeddings, documents: number, precision: Precision): Promise<number> {
  const queries = Math.min(BLOCK.query, documents);
  const keys = Math.min(BLOCK.key, documents);
  const rows = (count: number) => tf.tensor2d(vectors_ND.subarray(0, count * DIMENSION), [count, DIMENSION]);
  const [queries_QD, keys_SD] = [rows(queries), rows(keys)];
  const look = jit((q: tf.Tensor2D, s: tf.Tensor2D) => tf.max(similarities(q, s), 1), { precision });
  const turn = async (count: number): Promise<void> => {
    const found = Array.from({ length: count }, () => look(queries_QD, keys_SD));
    await Promise.all(found.map((each) => each.data()));
    tf.dispose(found);
  };
  await turn(1); // compiles
  const { seconds: taken } = await seconds(() => turn(BLOCK.count));
  tf.dispose([queries_QD, keys_SD]);
  return (taken / BLOCK.count) * (documents / queries) * (documents / keys);
}

async function allPairs(embeddings: Embeddings, precision: Precision) {
  const documents = embeddings.vectors_ND.length / DIMENSION;
  // Blocks of the same shapes, so that compiling is not part of it.
  const few = deviceKind() === "cuda" ? Math.min(documents, BLOCK.key) : 1;
  const vectors_ND = embeddings.vectors_ND.subarray(0, few * DIMENSION);
  await exactNeighbours({ ...embeddings, vectors_ND }, { k: K, precision });
  return seconds(() => exactNeighbours(embeddings, { k: K, precision }));
}

async function measure(documents: number, put: (row: BenchmarkRow) => void): Promise<void> {
  const embeddings = syntheticEmbeddings(documents, DIMENSION);
  const size = `${documents} documents`;
  const putRecall = (of: string, found: Neighbours, exact: Neighbours): void => {
    const share = recall(found, exact);
    console.log(`${of}, ${size}: ${(100 * share).toFixed(3)} % of the true neighbours`);
    const row = { ours: share, peer: 1, peerName: EXACT, ratio: share, goal: 0.95, unit: "share" };
    put({ case: `${of}: recall of ${K} neighbours, ${size}`, ...row });
  };
  const compare = async (precision: Precision, name: string): Promise<{ result: Neighbours; seconds: number }> => {
    const least = await leastSeconds(embeddings, documents, precision);
    const found = await allPairs(embeddings, precision);
    const { seconds: ours } = found;
    console.log(`${name}, ${size}: ${ours.toFixed(2)} s; products and one look at each: ${least.toFixed(2)} s`);
    const goal = goalSeconds(documents);
    const peerName = "products and one look at each";
    put({
      case: `${name}, ${size}`,
      ours,
      peer: least,
      peerName,
      ratio: least / ours,
      goal,
      goalOf: "ours",
      unit: "s",
    });
    return found;
  };
  const exact = await compare("highest", EXACT);
  const faster = await compare("default", FASTER);
  putRecall(FASTER, faster.result, exact.result);
  const threads = os.availableParallelism();
  const found = await seconds(() => approximateNeighbours(embeddings, { k: K, addThreads: threads }));
  console.log(`usearch, ${size}: ${found.seconds.toFixed(2)} s by ${threads} threads`);
  const [ours, peer, peerName] = [found.seconds, exact.seconds, EXACT];
  put({ case: `usearch, ${size}`, ours, peer, peerName, ratio: peer / ours, goal: 1, unit: "s" });
  putRecall("usearch", found.result, exact.result);
}

async function main(sizes: readonly number[]): Promise<void> {
  const { device } = await init();
  const { put } = openBenchmark("neighbours", { device, dimension: DIMENSION, neighbours: K });
  for (const documents of sizes) await measure(documents, put);
}

const sizes = process.argv.slice(2).map(Number);
void main(sizes.length > 0 ? sizes : SIZES);
