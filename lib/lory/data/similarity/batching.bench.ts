/**
 * `npm run bench -- batching [DOCUMENTS ...]`: what similarity batching costs as corpora grow, on made-up embeddings of 64 numbers around centres of 50
 * documents each: neighbours by usearch on all processors, with the share of the true ones that it finds for some documents, and by comparing all pairs (up
 * to 100 000 documents); the walk, over neighbours that are made up too: documents of one centre; and packing, cutting the order into instances and
 * reading each. The peer of a size is the smallest one: near linear growth is a cost for each document that hardly grows. Then what a training waits for
 * large batches, read when they are asked for and read ahead by a thread. Sizes can be run one by one: rows of other sizes stay
 * in results/benchmarks/batching.json.
 */
import os from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { init } from "lory";
import { openBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { openCorpus } from "../corpus";
import { loadBatches } from "../loader";
import { packDocuments, type PackedText } from "../packing";
import { randomBits } from "../permutation";
import { approximateNeighbours } from "./approximate-neighbours";
import { exactNeighbours } from "./exact-neighbours";
import { type Embeddings, NeighbourRows, type Neighbours, recall } from "./neighbours";
import { similarityWalk } from "./similarity-walk";
import { CENTRE_DOCUMENTS, syntheticEmbeddings } from "./synthetic-embeddings";

const SIZES = [10_000, 100_000, 1_000_000];
const LARGEST_EXACT = 100_000;
const DIMENSION = 64;
/** Documents whose neighbours are sought, where more of them would tell no more. */
const LARGEST_SOUGHT = 100_000;
/** Documents for which a search is judged by the truth. */
const JUDGED = 2000;
const DOCUMENT_TOKENS = 250;
const CONTEXT_LENGTH = 4096;
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
  return { result, row: reported(name, documents, (performance.now() - start) / documents) };
}

function reported(name: string, documents: number, msADocument: number): Timed {
  const microseconds = 1000 * msADocument;
  const seconds = (documents * msADocument) / 1000;
  console.log(`${name}, ${documents} documents: ${seconds.toFixed(2)} s, ${microseconds.toFixed(1)} us a document`);
  return { case: name, documents, microseconds };
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

/** Cuts an order of documents into instances and reads each, with the documents in it. */
function packAndRead(documents: number, order: Uint32Array): void {
  const store: PackedText = {
    lengths: new Uint32Array(documents).fill(DOCUMENT_TOKENS),
    copyTokens: (document, _, count, out, at) => out.fill((document % 997) + 1, at, at + count),
  };
  const stream = packDocuments(store, order, 0);
  const instance = new Int32Array(CONTEXT_LENGTH + 1);
  let met = 0;
  for (let at = 0; at + CONTEXT_LENGTH < stream.length; at += CONTEXT_LENGTH) {
    stream.copy(at, CONTEXT_LENGTH + 1, instance, 0);
    met += stream.documentsIn(at, CONTEXT_LENGTH).length;
  }
  if (met < documents - CONTEXT_LENGTH) throw new Error(`instances hold ${met} pieces of ${documents} documents`);
}

/** Neighbours by usearch, on all processors, of so many documents as tell what the others cost. */
async function search(embeddings: Embeddings, put: (row: Timed) => void): Promise<Neighbours> {
  const documents = embeddings.vectors_ND.length / embeddings.dimension;
  const sought = Math.min(documents, LARGEST_SOUGHT);
  const start = performance.now();
  let added = start;
  const found = await approximateNeighbours(embeddings, {
    k: K,
    sought,
    addThreads: os.availableParallelism(),
    onProgress: (done) => {
      if (done === documents) added = performance.now();
    },
  });
  put(reported("usearch: adding", documents, (added - start) / documents));
  put(reported("usearch: seeking", documents, (performance.now() - added) / sought));
  return found;
}

/** Gives the share of the true neighbours that usearch finds. */
async function measure(documents: number, put: (row: Timed) => void): Promise<number> {
  const neighbours = madeUpNeighbours(documents);
  const { result, row } = await timed("walk", documents, () => similarityWalk(neighbours));
  put(row);
  console.log(`${result.pathStarts.length} paths`);
  put((await timed("packing", documents, () => packAndRead(documents, result.order))).row);
  const embeddings = syntheticEmbeddings(documents, DIMENSION);
  const approximate = await search(embeddings, put);
  const exactly = (sought: number) => exactNeighbours(embeddings, { k: K, sought });
  const judged = await exactly(JUDGED);
  if (documents <= LARGEST_EXACT) put((await timed("all pairs", documents, () => exactly(documents))).row);
  return recall(approximate, judged);
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
  const { put, rowOf: recorded } = openBenchmark("batching", { device, dimension: DIMENSION, neighbours: K });
  for (const documents of sizes) {
    const ours = await measure(documents, (row) => {
      const smallest = recorded(name({ case: row.case, documents: SIZES[0] }));
      put(rowOf(row, documents === SIZES[0] ? undefined : smallest && { ours: smallest.ours, documents: SIZES[0] }));
    });
    console.log(`recall of usearch at ${K}: ${ours.toFixed(4)}`);
    const label = `recall of ${K} neighbours, ${documents} documents`;
    put({ case: label, ours, peer: 1, peerName: "all pairs", ratio: ours, goal: 0.95, unit: "share" });
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
