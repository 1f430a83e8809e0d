/** N documents, D numbers of an embedding, K neighbours. */
import { requireInteger } from "../batches";
import { CorpusError, messageOf } from "../corpus-error";
import { countDocuments, type Embeddings, NeighbourRows, type Neighbours, similarity } from "./neighbours";

export interface ApproximateOptions {
  /** Neighbours of each document. */
  k: number;
  /** Links of a node in the index. */
  connectivity?: number;
  /** Candidates that are kept while a document is added. */
  expansionAdd?: number;
  /** Candidates that are kept while neighbours are sought, at least K + 1: more find more. */
  expansionSearch?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Documents between two looks at the signal. */
const BATCH = 8192;

/**
 * The K nearest documents of each document as a navigable graph finds them (HNSW, Malkov and Yashunin, arXiv 1603.09320; by the library
 * usearch): most of the truth, at a cost that grows little faster than N. One thread adds the documents, in order of index, and seeks their
 * neighbours, so that the result is the same each time. Similarities are computed anew from the embeddings.
 *
 * @throws CorpusError where usearch has no build for this machine; RangeError for a bad option; the signal's reason when aborted
 */
export async function approximateNeighbours(embeddings: Embeddings, options: ApproximateOptions): Promise<Neighbours> {
  const { k, connectivity = 16, expansionAdd = 128, expansionSearch = 128, signal, onProgress } = options;
  requireInteger("k", k, 1);
  const documents = countDocuments(embeddings);
  const { vectors_ND, dimension } = embeddings;
  const { BatchMatches, Index, MetricKind, ScalarKind } = await library();
  const index = new Index({
    metric: MetricKind.IP,
    dimensions: dimension,
    connectivity,
    quantization: ScalarKind.F32,
    expansion_add: expansionAdd,
    expansion_search: Math.max(expansionSearch, k + 1),
    multi: false,
  });
  const slices = Array.from({ length: Math.ceil(documents / BATCH) }, (_, i) => i * BATCH);
  const rowsFrom = (first: number) => vectors_ND.subarray(first * dimension, (first + BATCH) * dimension);
  let done = 0;
  const advance = async (count: number): Promise<void> => {
    onProgress?.((done += count), 2 * documents);
    await new Promise(setImmediate);
    signal?.throwIfAborted();
  };
  for (const first of slices) {
    const count = Math.min(BATCH, documents - first);
    index.add(
      BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i)),
      rowsFrom(first),
      1,
    );
    await advance(count);
  }
  const rows = new NeighbourRows(documents, k);
  for (const first of slices) {
    const count = Math.min(BATCH, documents - first);
    // One more than wanted: the nearest is as a rule the document itself.
    const found = index.search(rowsFrom(first), Math.min(k + 1, documents), 1);
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
