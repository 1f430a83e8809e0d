import type { DocumentStore } from "./documents";

/** Documents in memory as a store: for tests. All are of one domain unless told otherwise. */
export function storeOf(documents: readonly (readonly number[])[], domains: readonly number[] = []): DocumentStore {
  const tokens = documents.map((document) => Int32Array.from(document));
  return {
    documents: tokens.length,
    tokens: tokens.reduce((sum, { length }) => sum + length, 0),
    lengths: Uint32Array.from(tokens, ({ length }) => length),
    domains: Uint16Array.from(tokens, (_, i) => domains[i] ?? 0),
    sources: new Uint16Array(tokens.length),
    files: Uint32Array.from(tokens, (_, i) => i),
    copyTokens: (document, start, count, out, at) => out.set(tokens[document].subarray(start, start + count), at),
    tokensOf: (document) => tokens[document].slice(),
    close: () => undefined,
  };
}
