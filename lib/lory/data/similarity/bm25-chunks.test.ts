import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { storeOf } from "../tiny-store";
import { bm25Chunks } from "./bm25-chunks";
import { permutation } from "../permutation";

const texts = fc.array(fc.array(fc.nat(12), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 });

/** BM25 of one document for another as query, from the formula, token by token, among the candidates. */
function slowBest(query: number[], candidates: { id: number; tokens: number[] }[]): number | undefined {
  const held = candidates.map(({ tokens }) => tokens);
  const mean = candidates.reduce((sum, { tokens }) => sum + tokens.length, 0) / candidates.length;
  const scored = candidates.map(({ id, tokens }, i) => {
    let score = 0;
    for (const term of new Set(query)) {
      const holding = held.filter((all) => all.includes(term)).length;
      const count = held[i].filter((each) => each === term).length;
      const idf = Math.log(1 + (candidates.length - holding + 0.5) / (holding + 0.5));
      score += (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * tokens.length) / mean));
    }
    return { id, score };
  });
  const best = scored.reduce((a, b) => (b.score > a.score + 1e-9 ? b : a));
  return best.score > 0 ? best.id : undefined;
}

describe("bm25Chunks", () => {
  it("goes to the document that BM25 ranks first, each document once", () => {
    fc.assert(
      fc.property(texts, fc.nat(), (documents, seed) => {
        const { order, pathStarts } = bm25Chunks(storeOf(documents), { seed, pathTokens: 30, queryTerms: 100 });
        const arrival = [...permutation(documents.length, seed)];
        const expected: number[] = [];
        const starts: number[] = [];
        let tokens = Infinity;
        while (expected.length < documents.length) {
          const left = arrival.filter((id) => !expected.includes(id)).map((id) => ({ id, tokens: documents[id] }));
          const next = tokens >= 30 ? undefined : slowBest(documents[expected.at(-1)!], left);
          if (next === undefined) {
            starts.push(expected.length);
            tokens = 0;
          }
          expected.push(next ?? left[0].id);
          tokens += documents[expected.at(-1)!].length + 1;
        }
        expect([...order]).toEqual(expected);
        expect([...pathStarts]).toEqual(starts);
      }),
      { numRuns: 100 },
    );
  });

  it("takes only what waits in the buffer, and refuses bad options", () => {
    const documents = Array.from({ length: 40 }, (_, i) => [i % 4, i % 4]);
    const wide = bm25Chunks(storeOf(documents), { seed: 0, pathTokens: 30 });
    const narrow = bm25Chunks(storeOf(documents), { seed: 0, pathTokens: 30, bufferDocuments: 2 });
    const alike = ({ order }: { order: Uint32Array }) =>
      [...order].filter((id, i) => i > 0 && id % 4 === order[i - 1] % 4);
    expect(alike(wide).length).toBeGreaterThan(alike(narrow).length);
    expect([...narrow.order].sort((a, b) => a - b)).toEqual(documents.map((_, i) => i));
    expect(() => bm25Chunks(storeOf(documents), { seed: 0, pathTokens: 0 })).toThrow("pathTokens is 0");
  });
});
