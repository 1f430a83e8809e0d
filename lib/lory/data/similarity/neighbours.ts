/** N documents, K neighbours of each, D numbers of an embedding. */
import { requireInteger } from "../batches";

/** One unit vector for each document, row by row. */
export interface Embeddings {
  /** N rows of D numbers, each row of length 1, or 0 for a document without content. */
  readonly vectors_ND: Float32Array;
  readonly dimension: number;
}

/** The nearest other documents of each document, by cosine similarity, nearest first; of equals the lower index. */
export interface Neighbours {
  readonly documents: number;
  /** K. */
  readonly k: number;
  /** N rows of K document indices; `NO_NEIGHBOUR` fills a row that has fewer. */
  readonly ids_NK: Int32Array;
  /** N rows of K similarities, descending; -Infinity where there is no neighbour. */
  readonly similarities_NK: Float32Array;
}

export const NO_NEIGHBOUR = -1;

/**
 * How many documents embeddings hold.
 *
 * @throws RangeError if the vectors are no whole number of rows
 */
export function countDocuments({ vectors_ND, dimension }: Embeddings): number {
  requireInteger("dimension", dimension, 1);
  const documents = vectors_ND.length / dimension;
  if (!Number.isInteger(documents)) {
    throw new RangeError(`the embeddings hold ${vectors_ND.length} numbers: no whole rows of ${dimension}`);
  }
  return documents;
}

/** Rows of neighbours that are being found: each keeps the best seen so far. */
export class NeighbourRows implements Neighbours {
  readonly ids_NK: Int32Array;
  readonly similarities_NK: Float32Array;

  constructor(
    readonly documents: number,
    readonly k: number,
  ) {
    this.ids_NK = new Int32Array(documents * k).fill(NO_NEIGHBOUR);
    this.similarities_NK = new Float32Array(documents * k).fill(-Infinity);
  }

  /** The similarity that a candidate has to exceed to enter a full row. */
  worst(document: number): number {
    return this.similarities_NK[(document + 1) * this.k - 1];
  }

  /** Enters a candidate in its place, if it has one: before those of lower similarity, and of the same one before those of higher index. */
  offer(document: number, id: number, similarity: number): void {
    const first = document * this.k;
    const value = Math.fround(similarity);
    let at = first + this.k - 1;
    if (!this.#precedes(id, value, at)) return;
    for (; at > first && this.#precedes(id, value, at - 1); at--) {
      this.ids_NK[at] = this.ids_NK[at - 1];
      this.similarities_NK[at] = this.similarities_NK[at - 1];
    }
    this.ids_NK[at] = id;
    this.similarities_NK[at] = value;
  }

  #precedes(id: number, value: number, at: number): boolean {
    const other = this.similarities_NK[at];
    return value > other || (value === other && (this.ids_NK[at] === NO_NEIGHBOUR || id < this.ids_NK[at]));
  }
}

/**
 * The share of the true neighbours that were found, over all documents (recall at K). A document that is as similar as the
 * last true neighbour counts as one, since which of equals is named is a matter of order only.
 *
 * @param found what an approximate search gives
 * @param exact the truth, of the same K
 */
export function recall(found: Neighbours, exact: Neighbours): number {
  if (found.documents !== exact.documents || found.k !== exact.k) {
    throw new RangeError(
      `recall compares ${found.documents} x ${found.k} neighbours with ${exact.documents} x ${exact.k}: expected the same`,
    );
  }
  const { documents, k } = exact;
  let hits = 0;
  let wanted = 0;
  for (let document = 0; document < documents; document++) {
    const first = document * k;
    const truth = exact.ids_NK.subarray(first, first + k).filter((id) => id !== NO_NEIGHBOUR);
    if (truth.length === 0) continue;
    const own = new Set(truth);
    const last = exact.similarities_NK[first + truth.length - 1];
    wanted += truth.length;
    for (let at = first; at < first + k; at++) {
      const id = found.ids_NK[at];
      if (id !== NO_NEIGHBOUR && (own.has(id) || found.similarities_NK[at] >= last)) hits++;
    }
  }
  return wanted === 0 ? 1 : Math.min(1, hits / wanted);
}

/** The cosine of two documents. */
export function similarity({ vectors_ND, dimension }: Embeddings, a: number, b: number): number {
  const [rowA, rowB] = [a * dimension, b * dimension];
  let sum = 0;
  for (let d = 0; d < dimension; d++) sum += vectors_ND[rowA + d] * vectors_ND[rowB + d];
  return sum;
}

/** Scales each row to length 1, in place; rows of zeros stay. */
export function normalizeRows({ vectors_ND, dimension }: Embeddings): void {
  for (let row = 0; row < vectors_ND.length; row += dimension) {
    let squares = 0;
    for (let d = row; d < row + dimension; d++) squares += vectors_ND[d] ** 2;
    if (squares === 0) continue;
    const scale = 1 / Math.sqrt(squares);
    for (let d = row; d < row + dimension; d++) vectors_ND[d] *= scale;
  }
}
