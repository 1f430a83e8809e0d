/**
 * `npm run bench -- batching [DOCUMENTS ...]`: what similarity batching costs as corpora grow, on made-up embeddings of 32 numbers around centres of 50
 * documents each: neighbours by comparing all pairs and by usearch (up to 100 000 documents), with the share of the true ones that it finds, and the
 * walk, of a million documents over neighbours that are made up too: documents of one centre. The peer of a size is the smallest one: near linear growth is a cost for each document that hardly grows. Then what a training waits for
 * large batches, read when they are asked for and read ahead by a thread. Sizes can be run one by one: rows of other sizes stay
 * in results/benchmarks/batching.json.
 */
import { setTimeout as pause } from "node:timers/promises";
import { init } from "lory";
import { readBenchmark, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { openCorpus } from "../corpus";
import { loadBatches } from "../loader";
import { randomBits } from "../permutation";
import { approximateNeighbours } from "./approximate-neighbours";
import { exactNeighbours } from "./exact-neighbours";
import { NeighbourRows, type Neighbours, recall } from "./neighbours";
import { similarityWalk } from "./similarity-walk";
import { CENTRE_DOCUMENTS, syntheticEmbeddings } from "./synthetic-embeddings";

const SIZES = [10_000, 100_000, 1_000_000];
const LARGEST_SEARCHED = 100_000;
const DIMENSION = 32;
const K = 20;

interface Timed {
  readonly case: string;
  readonly documents: number;
  readonly microseconds: number;
}

async function timed<T>(
  name: string,
  documents: number,
  work: () => T | Promise<T>,
): Promise<{ result: T; row: Timed }> {
  const start = performance.now();
  const result = await work();
  const ms = performance.now() - start;
  const row = { case: name, documents, microseconds: (1000 * ms) / documents };
  console.log(
    `${name}, ${documents} documents: ${(ms / 1000).toFixed(2)} s, ${row.microseconds.toFixed(1)} us a document`,
  );
  return { result, row };
}

/** Neighbours without a search: each document's are others of its centre, where it has so many, drawn with made-up similarities. */
function madeUpNeighbours(documents: number): Neighbours {
  const bits = randomBits(2);
  const rows = new NeighbourRows(documents, K);
  for (let document = 0; document < documents; document++) {
    const first = document - (document % CENTRE_DOCUMENTS);
    for (let i = 0; i < 2 * K; i++) {
      // One of a hundred is of another centre, so that centres are joined.
      const isFar = bits() % 100 === 0;
      const id = isFar ? bits() % documents : Math.min(first + (bits() % CENTRE_DOCUMENTS), documents - 1);
      const isNew = !rows.ids_NK.subarray(document * K, (document + 1) * K).includes(id);
      if (id !== document && isNew) rows.offer(document, id, (isFar ? 0 : 0.5) + bits() / 2 ** 33);
    }
  }
  return rows;
}

async function measure(documents: number, put: (row: Timed) => void): Promise<{ recall?: number }> {
  const neighbours = madeUpNeighbours(documents);
  const { result, row } = await timed("walk", documents, () => similarityWalk(neighbours));
  put(row);
  console.log(`${result.pathStarts.length} paths`);
  if (documents > LARGEST_SEARCHED) return {};
  const embeddings = syntheticEmbeddings(documents, DIMENSION);
  const approximate = await timed("usearch", documents, () => approximateNeighbours(embeddings, { k: K }));
  put(approximate.row);
  // Compiling is not part of it.
  await exactNeighbours({ ...embeddings, vectors_ND: embeddings.vectors_ND.subarray(0, DIMENSION) }, { k: K });
  const exact = await timed("all pairs", documents, () => exactNeighbours(embeddings, { k: K }));
  put(exact.row);
  return { recall: recall(approximate.result, exact.result) };
}

/** What a step waits for its batch on average, in ms, beside a device that computes for 40 ms. */
async function waiting(readAhead: number): Promise<number> {
  const corpus = await openCorpus("quickstart");
  const options = { batchSize: 64, contextLength: 4096, seed: 0, readAhead };
  let waited = 0;
  let steps = -2; // the first ones start the thread and open files
  let askedAt = performance.now();
  for await (const batch of loadBatches(corpus, options)) {
    if (++steps > 0) waited += performance.now() - askedAt;
    if (steps === 30) break;
    await pause(40, batch);
    askedAt = performance.now();
  }
  corpus.close();
  return waited / steps;
}

const name = ({ case: of, documents }: Pick<Timed, "case" | "documents">): string => `${of}, ${documents} documents`;

function rowOf(row: Timed, smallest: { ours: number; documents: number } | undefined): BenchmarkRow {
  const peer = smallest ?? { ours: row.microseconds, documents: row.documents };
  const ratio = peer.ours / row.microseconds;
  // All pairs cost as much a document as there are documents.
  const goal = row.case === "all pairs" ? peer.documents / row.documents : 0.5;
  const peerName = name({ case: row.case, documents: peer.documents });
  return { case: name(row), ours: row.microseconds, peer: peer.ours, peerName, ratio, goal, unit: "us a document" };
}

async function main(sizes: readonly number[]): Promise<void> {
  const { device } = await init();
  const rows = new Map(readBenchmark("batching").map((row) => [row.case, row]));
  const put = (row: BenchmarkRow): void => {
    rows.set(row.case, row);
    writeBenchmark("batching", { device, dimension: DIMENSION, neighbours: K }, [...rows.values()]);
  };
  for (const documents of sizes) {
    const measured = await measure(documents, (row) => {
      const smallest = rows.get(name({ case: row.case, documents: SIZES[0] }));
      put(rowOf(row, documents === SIZES[0] ? undefined : smallest && { ours: smallest.ours, documents: SIZES[0] }));
    });
    if (measured.recall !== undefined) {
      console.log(`recall of usearch at ${K}: ${measured.recall.toFixed(4)}`);
      const [ours, peerName] = [measured.recall, "all pairs"];
      put({
        case: `recall of ${K} neighbours, ${documents} documents`,
        ours,
        peer: 1,
        peerName,
        ratio: ours,
        goal: 0.95,
        unit: "share",
      });
    }
  }
  const [ours, peer] = [await waiting(4), await waiting(0)];
  console.log(
    `a step waits ${ours.toFixed(2)} ms for a batch read ahead, ${peer.toFixed(2)} for one read when asked for`,
  );
  const label = "wait for a batch of 64 x 4096 tokens, read ahead";
  put({ case: label, ours, peer, peerName: "read when asked for", ratio: peer / ours, goal: 1, unit: "ms" });
}

const sizes = process.argv.slice(2).map(Number);
void main(sizes.length > 0 ? sizes : SIZES);
