import type { DocumentStore } from "./documents";

/** Documents one after the other, each followed by the end-of-document token: a sequence that is read by position. */
export interface PackedStream {
  /** Tokens, with one end-of-document token for each document. */
  readonly length: number;
  /** Copies the tokens from `position` on to `out` from `at` on, at most `count`; returns how many there were. */
  copy(position: number, count: number, out: Int32Array, at: number): number;
  /** The documents that the positions belong to, in order, each with how many of its tokens stand there, its end-of-document token included. */
  documentsIn(position: number, count: number): { document: number; tokens: number }[];
}

/** What of stored documents is packed. */
export type PackedText = Pick<DocumentStore, "lengths" | "copyTokens">;

/**
 * Concatenates documents in a given order. Building it costs one addition a document; reading finds its place by
 * binary search and touches only the documents that it returns.
 */
export function packDocuments(store: PackedText, order: Uint32Array, endOfDocument: number): PackedStream {
  const ends = new Float64Array(order.length);
  let length = 0;
  order.forEach((document, index) => {
    length += store.lengths[document] + 1;
    ends[index] = length;
  });

  const copy = (position: number, count: number, out: Int32Array, at: number): number => {
    const last = Math.min(position + count, length);
    let index = firstAbove(ends, position);
    for (let here = position; here < last; index++) {
      const document = order[index];
      const tokens = store.lengths[document];
      const start = here - (ends[index] - tokens - 1);
      const take = Math.min(tokens - start, last - here);
      if (take > 0) store.copyTokens(document, start, take, out, at + here - position);
      here += take;
      if (here < last) out[at + here++ - position] = endOfDocument;
    }
    return Math.max(last - position, 0);
  };
  const documentsIn = (position: number, count: number): { document: number; tokens: number }[] => {
    const last = Math.min(position + count, length);
    const found: { document: number; tokens: number }[] = [];
    let index = firstAbove(ends, position);
    for (let here = position; here < last; here = ends[index++]) {
      found.push({ document: order[index], tokens: Math.min(ends[index], last) - here });
    }
    return found;
  };
  return { length, copy, documentsIn };
}

/** Index of the first element above `value` in ascending `sorted`. */
function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
