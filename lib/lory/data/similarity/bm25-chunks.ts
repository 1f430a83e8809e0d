import type { DocumentStore } from "../documents";
import { requireInteger } from "../batches";
import { permutation } from "../permutation";
import { TERM_BUCKETS, TermCounter } from "./hashed-terms";
import type { DocumentPaths } from "./similarity-walk";

export interface Bm25Options {
  /** Determines which documents wait in the buffer, and where paths begin. */
  seed: number;
  /** Documents among which the next one is sought. */
  bufferDocuments?: number;
  /** A path ends when it holds as many tokens: an instance's length. */
  pathTokens: number;
  /** Terms of the last document that are looked up, the rarest first. */
  queryTerms?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export const BM25_BUFFER = 2048;
export const BM25_QUERY_TERMS = 64;

/** Robertson's usual values: how soon repetitions stop to count, and how much long documents are held back. */
const K1 = 1.2;
const B = 0.75;

/**
 * BM25Chunk (Zhao et al. 2024, arXiv 2402.13991): documents wait in a buffer that is filled again from a shuffled corpus; a path begins at the
 * one that waits longest and goes on to the document in the buffer that BM25 ranks first for the last one as query, until it has the tokens of an
 * instance. Only what is in the buffer can follow, which is what sets it apart from a walk over the nearest of the whole corpus. Of equals the one
 * that waits longer is taken; a document that shares no term with any other in the buffer ends its path.
 *
 * Cost: documents x query terms x documents of the buffer that hold such a term: linear in the corpus for a given buffer.
 *
 * @throws RangeError for a bad option; the signal's reason when aborted
 */
export function bm25Chunks(store: DocumentStore, options: Bm25Options): DocumentPaths {
  const { seed, bufferDocuments = BM25_BUFFER, pathTokens, queryTerms = BM25_QUERY_TERMS } = options;
  requireInteger("bufferDocuments", bufferDocuments, 2);
  requireInteger("pathTokens", pathTokens, 1);
  requireInteger("queryTerms", queryTerms, 1);
  const shuffled = permutation(store.documents, seed);
  const buffer = new Buffer(store);
  const order = new Uint32Array(store.documents);
  const pathStarts: number[] = [];
  let arrived = 0;
  let tokens = Infinity;
  for (let placed = 0; placed < order.length; placed++) {
    while (buffer.size < bufferDocuments && arrived < shuffled.length) buffer.add(shuffled[arrived++]);
    const follower = tokens >= pathTokens ? undefined : buffer.bestFor(order[placed - 1], queryTerms);
    if (follower === undefined) {
      pathStarts.push(placed);
      tokens = 0;
    }
    const document = follower ?? buffer.longestWaiting();
    buffer.remove(document);
    order[placed] = document;
    tokens += store.lengths[document] + 1;
    if (placed % 1024 === 0) {
      options.signal?.throwIfAborted();
      options.onProgress?.(placed, order.length);
    }
  }
  return { order, pathStarts: Uint32Array.from(pathStarts) };
}

/** The terms of a waiting document, and how often it holds each. */
interface Waiting {
  readonly terms: readonly number[];
  readonly counts: readonly number[];
}

/** Waiting documents with an inverted index of their terms. */
class Buffer {
  readonly #store: DocumentStore;
  readonly #counter = new TermCounter();
  /** In order of arrival. */
  readonly #waiting = new Map<number, Waiting>();
  /** By term, the waiting documents that hold it and how often. */
  readonly #postings = new Map<number, Map<number, number>>();
  readonly #documentFrequency = new Uint32Array(TERM_BUCKETS);
  /** The terms of the document that left last: the next query. */
  #left: { readonly document: number; readonly waiting: Waiting } | undefined;
  #tokens = 0;

  constructor(store: DocumentStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(document: number): void {
    const terms = this.#counter.termsOf(this.#store.tokensOf(document));
    const counts = terms.map((term) => this.#counter.count(term));
    this.#waiting.set(document, { terms, counts });
    this.#tokens += this.#store.lengths[document];
    terms.forEach((term, i) => {
      this.#documentFrequency[term]++;
      const posting = this.#postings.get(term);
      if (posting) posting.set(document, counts[i]);
      else this.#postings.set(term, new Map([[document, counts[i]]]));
    });
  }

  remove(document: number): void {
    const waiting = this.#waiting.get(document)!;
    this.#left = { document, waiting };
    this.#waiting.delete(document);
    this.#tokens -= this.#store.lengths[document];
    for (const term of waiting.terms) {
      this.#documentFrequency[term]--;
      const posting = this.#postings.get(term)!;
      posting.delete(document);
      if (posting.size === 0) this.#postings.delete(term);
    }
  }

  longestWaiting(): number {
    const [first] = this.#waiting.keys();
    return first;
  }

  /** The waiting document that BM25 ranks first for the document that left last; undefined if none shares a term with it. */
  bestFor(query: number, queryTerms: number): number | undefined {
    if (this.#left?.document !== query) throw new Error(`document ${query} is not the one that left last`);
    const frequency = this.#documentFrequency;
    const rarest = this.#left.waiting.terms
      .filter((term) => frequency[term] > 0)
      .sort((a, b) => frequency[a] - frequency[b] || a - b)
      .slice(0, queryTerms);
    const meanLength = this.#tokens / Math.max(1, this.size);
    const scores = new Map<number, number>();
    for (const term of rarest) {
      const idf = Math.log(1 + (this.size - frequency[term] + 0.5) / (frequency[term] + 0.5));
      for (const [document, count] of this.#postings.get(term)!) {
        const norm = K1 * (1 - B + (B * this.#store.lengths[document]) / meanLength);
        scores.set(document, (scores.get(document) ?? 0) + (idf * count * (K1 + 1)) / (count + norm));
      }
    }
    let best: number | undefined;
    let highest = -Infinity;
    for (const document of this.#waiting.keys()) {
      const score = scores.get(document);
      if (score !== undefined && score > highest) [best, highest] = [document, score];
    }
    return best;
  }
}
