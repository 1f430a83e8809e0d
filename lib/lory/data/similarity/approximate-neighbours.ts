/** N documents, D numbers of an embedding, K neighbours. */
import os from "node:os";
import { requireInteger } from "../batches";
import { CorpusError, messageOf } from "../corpus-error";
import { countDocuments, type Embeddings, NeighbourRows, type Neighbours, similarity } from "./neighbours";

export interface ApproximateOptions {
  /** Neighbours of each document. */
  k: number;
  /** The documents whose neighbours are sought, as in `ExactOptions`. */
  sought?: number;
  /** Links of a node in the index. */
  connectivity?: number;
  /** Candidates that are kept while a document is added. */
  expansionAdd?: number;
  /** Candidates that are kept while neighbours are sought, at least K + 1: more find more. */
  expansionSearch?: number;
  /** Threads that add documents; more than one make another graph each time. Default: 1. */
  addThreads?: number;
  signal?: AbortSignal;
  /** Documents that are added, then those whose neighbours are found. */
  onProgress?: (done: number, total: number) => void;
}

/** Documents between two looks at the signal. */
const BATCH = 8192;
const PROCESSORS = os.availableParallelism();

/**
 * The K nearest documents of each document as a navigable graph finds them (HNSW, Malkov and Yashunin, arXiv 1603.09320; by the library
 * usearch): most of the truth, at a cost that grows little faster than N. One thread adds the documents, in order of index, so that the
 * result is the same each time; all seek their neighbours. The graph holds vectors as float16, half of what is read from memory at random, which
 * takes most of the time. Similarities are computed anew from the embeddings.
 *
 * @throws CorpusError where usearch has no build for this machine; RangeError for a bad option; the signal's reason when aborted
 */
export async function approximateNeighbours(embeddings: Embeddings, options: ApproximateOptions): Promise<Neighbours> {
  const { k, connectivity = 16, expansionAdd = 128, expansionSearch = 128, addThreads = 1, signal } = options;
  requireInteger("k", k, 1);
  requireInteger("addThreads", addThreads, 1);
  const documents = countDocuments(embeddings);
  const { sought = documents } = options;
  requireInteger("sought", sought, 0);
  const end = Math.min(sought, documents);
  const { vectors_ND, dimension } = embeddings;
  const { BatchMatches, Index, MetricKind, ScalarKind } = await library();
  const index = new Index({
    metric: MetricKind.IP,
    dimensions: dimension,
    connectivity,
    quantization: ScalarKind.F16,
    expansion_add: expansionAdd,
    expansion_search: Math.max(expansionSearch, k + 1),
    multi: false,
  });
  const slices = Array.from({ length: Math.ceil(documents / BATCH) }, (_, i) => i * BATCH);
  const rowsFrom = (first: number, count: number) =>
    vectors_ND.subarray(first * dimension, (first + count) * dimension);
  let done = 0;
  const advance = async (count: number): Promise<void> => {
    options.onProgress?.((done += count), documents + end);
    await new Promise(setImmediate);
    signal?.throwIfAborted();
  };
  for (const first of slices) {
    const count = Math.min(BATCH, documents - first);
    addDocuments(index, embeddings, { first, count, threads: addThreads });
    await advance(count);
  }
  const rows = new NeighbourRows(documents, k);
  for (const first of slices.filter((each) => each < end)) {
    const count = Math.min(BATCH, end - first);
    // One more than wanted: the nearest is as a rule the document itself.
    const found = index.search(rowsFrom(first, count), Math.min(k + 1, documents), PROCESSORS);
    const width = found.keys.length / count;
    for (let row = 0; row < count; row++) {
      const matches = found instanceof BatchMatches ? Number(found.counts[row]) : width;
      for (let i = 0; i < matches; i++) {
        const id = Number(found.keys[row * width + i]);
        if (id !== first + row) rows.offer(first + row, id, similarity(embeddings, first + row, id));
      }
    }
    await advance(count);
  }
  return rows;
}

/**
 * Adds documents in order of index. usearch keeps as many places for threads that search as there were threads when it last made room, which
 * it does before documents that fill it are added: such a document comes alone, as if for all processors.
 */
function addDocuments(
  index: InstanceType<Awaited<ReturnType<typeof library>>["Index"]>,
  { vectors_ND, dimension }: Embeddings,
  { first, count, threads }: { first: number; count: number; threads: number },
): void {
  const end = first + count;
  for (let at = first; at < end;) {
    const room = index.capacity() - index.size() - 1;
    const adding = room > 0 ? Math.min(room, end - at) : 1;
    const keys = BigUint64Array.from({ length: adding }, (_, i) => BigInt(at + i));
    index.add(keys, vectors_ND.subarray(at * dimension, (at + adding) * dimension), room > 0 ? threads : PROCESSORS);
    at += adding;
  }
}

async function library() {
  try {
    return await import("usearch");
  } catch (error) {
    throw new CorpusError(
      `approximate search needs usearch, which does not load on ${process.platform}-${process.arch} (${messageOf(error)}): ` +
        `search exactly, or on Linux, macOS or Windows`,
    );
  }
}
