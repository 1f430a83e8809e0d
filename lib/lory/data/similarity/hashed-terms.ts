/** Terms of a document: its tokens, and its pairs of neighbouring tokens, hashed into a fixed number of buckets. */

/** A power of two; terms of one bucket count as the same. */
export const TERM_BUCKETS = 1 << 20;

/** The 32-bit finalizer of MurmurHash3: every bit of the input changes half of the output's. */
export function mix32(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Counts the terms of one document after another in a table that is cleaned, not made anew. */
export class TermCounter {
  readonly #counts = new Uint32Array(TERM_BUCKETS);
  #touched: number[] = [];

  /** The distinct terms of a document in order of first appearance; `count` says how often each occurs until the next call. */
  termsOf(tokens: ArrayLike<number>): readonly number[] {
    for (const term of this.#touched) this.#counts[term] = 0;
    this.#touched = [];
    let before = -1;
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      this.#add(mix32(token + 1));
      if (before >= 0) this.#add(mix32(Math.imul(before + 1, 0x9e3779b1) ^ mix32(token + 0x7fffffff)));
      before = token;
    }
    return this.#touched;
  }

  count(term: number): number {
    return this.#counts[term];
  }

  #add(hash: number): void {
    const term = hash & (TERM_BUCKETS - 1);
    if (this.#counts[term]++ === 0) this.#touched.push(term);
  }
}
