import type { DocumentStore } from "../documents";
import { requireInteger } from "../batches";
import { permutation } from "../permutation";
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

/** The waiting documents that hold a term, in order of arrival, and how often. Some that have left may still stand there. */
interface Posting {
  documents: number[];
  counts: number[];
}

/** Waiting documents with an inverted index of their tokens. */
class Buffer {
  readonly #store: DocumentStore;
  /** By token id. */
  readonly #postings: (Posting | undefined)[] = [];
  /** Waiting documents that hold a token, by token id. */
  readonly #frequency: number[] = [];
  /** By document: when it came, counted from 1; 0 for one that does not wait. */
  readonly #arrival: Uint32Array;
  readonly #scores: Float64Array;
  /** In order of arrival. */
  readonly #waiting = new Set<number>();
  #arrived = 0;
  #tokens = 0;

  constructor(store: DocumentStore) {
    this.#store = store;
    this.#arrival = new Uint32Array(store.documents);
    this.#scores = new Float64Array(store.documents);
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(document: number): void {
    this.#waiting.add(document);
    this.#arrival[document] = ++this.#arrived;
    this.#tokens += this.#store.lengths[document];
    for (const [term, count] of this.#termsOf(document)) {
      const posting = (this.#postings[term] ??= { documents: [], counts: [] });
      this.#frequency[term] = (this.#frequency[term] ?? 0) + 1;
      posting.documents.push(document);
      posting.counts.push(count);
      // So that those that have left never take more room than those that wait.
      if (posting.documents.length > 2 * this.#frequency[term] + 8) this.#tidy(posting);
    }
  }

  remove(document: number): void {
    this.#waiting.delete(document);
    this.#arrival[document] = 0;
    this.#tokens -= this.#store.lengths[document];
    for (const term of this.#termsOf(document).keys()) this.#frequency[term]--;
  }

  longestWaiting(): number {
    const [first] = this.#waiting;
    return first;
  }

  /** The waiting document that BM25 ranks first for a document that has left; undefined if none shares a token with it. */
  bestFor(query: number, queryTerms: number): number | undefined {
    const frequency = this.#frequency;
    const rarest = [...this.#termsOf(query).keys()]
      .filter((term) => frequency[term] > 0)
      .sort((a, b) => frequency[a] - frequency[b] || a - b)
      .slice(0, queryTerms);
    const meanLength = this.#tokens / Math.max(1, this.size);
    const touched: number[] = [];
    for (const term of rarest) {
      const idf = Math.log(1 + (this.size - frequency[term] + 0.5) / (frequency[term] + 0.5));
      const posting = this.#postings[term]!;
      this.#tidy(posting);
      posting.documents.forEach((document, i) => {
        const norm = K1 * (1 - B + (B * this.#store.lengths[document]) / meanLength);
        if (this.#scores[document] === 0) touched.push(document);
        this.#scores[document] += (idf * posting.counts[i] * (K1 + 1)) / (posting.counts[i] + norm);
      });
    }
    const [scores, arrival] = [this.#scores, this.#arrival];
    const isBefore = (a: number, b: number): boolean =>
      scores[a] > scores[b] || (scores[a] === scores[b] && arrival[a] < arrival[b]);
    const best = touched.reduce<number | undefined>(
      (first, document) => (first === undefined || isBefore(document, first) ? document : first),
      undefined,
    );
    for (const document of touched) scores[document] = 0;
    return best;
  }

  #termsOf(document: number): Map<number, number> {
    const counts = new Map<number, number>();
    for (const token of this.#store.tokensOf(document)) counts.set(token, (counts.get(token) ?? 0) + 1);
    return counts;
  }

  /** Takes out those that have left. */
  #tidy(posting: Posting): void {
    const stays = (document: number): boolean => this.#arrival[document] > 0;
    posting.counts = posting.counts.filter((_, i) => stays(posting.documents[i]));
    posting.documents = posting.documents.filter(stays);
  }
}
