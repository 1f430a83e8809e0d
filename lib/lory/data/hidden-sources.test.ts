// Shapes: C sources, S symbols, M tokens of a window.
import fs from "node:fs";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, describe, expect, it } from "vitest";
import { hiddenSources, hiddenSourcesCorpus } from "./hidden-sources";

const options = {
  numSources: 3,
  vocabSize: 5,
  sharpness: 1.5,
  contextLength: 6,
  trainDocuments: 40,
  heldOutDocuments: 400,
  seed: 7,
} as const;

const { probabilities_CS, floorNats } = hiddenSources(options);

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true })));

/** The probability of a document, over all sources that it may come from. */
const probability = (tokens: readonly number[]): number =>
  probabilities_CS.reduce(
    (sum, p_S) => sum + tokens.reduce((product, token) => product * p_S[token], 1) / probabilities_CS.length,
    0,
  );

describe("hidden sources", () => {
  it("are distributions over the symbols, other ones for another seed", () => {
    for (const p_S of probabilities_CS) {
      expect(p_S).toHaveLength(4);
      expect(p_S.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
    }
    expect(hiddenSources({ ...options, seed: 8 }).probabilities_CS).not.toEqual(probabilities_CS);
    expect(hiddenSources({ ...options, sharpness: 0 }).probabilities_CS.flat()).toEqual(new Array(12).fill(0.25));
  });

  it("have the floor that the probabilities of whole documents give", () => {
    for (const tokens of [
      [0, 1],
      [3, 3, 3, 3],
      [2, 0, 1, 3, 0, 0, 2],
    ]) {
      // prettier-ignore
      const expected = tokens
        .slice(1)
        .map((_, t) => -Math.log(probability(tokens.slice(0, t + 2)) / probability(tokens.slice(0, t + 1))));
      expectClose(floorNats(tokens), Float64Array.from(expected), { rtol: 1e-12, atol: 0 });
    }
    expect(floorNats([1])).toHaveLength(0);
  });

  it("are drawn as they say, into windows and contexts", async () => {
    const corpus = await hiddenSourcesCorpus(options);
    folders.push(corpus.dir);
    expect(new Set(corpus.train.lengths)).toEqual(new Set([16 * 6 - 1]));
    expect(new Set(corpus.heldOut.lengths)).toEqual(new Set([7]));
    const documents = Array.from({ length: 400 }, (_, i) => corpus.heldOut.tokensOf(i));
    const share = (symbol: number): number =>
      documents.flatMap((tokens) => [...tokens]).filter((token) => token === symbol).length / (400 * 7);
    // Four standard deviations, since the tokens of a document go together.
    for (const [s, p] of [0, 1, 2, 3].map((s) => [s, probability([s])]))
      expect(Math.abs(share(s) - p)).toBeLessThan(0.07);
    // Nobody who knows less predicts better: here, one who takes the sources for one.
    const mean = (losses: (tokens: Int32Array) => ArrayLike<number>): number =>
      documents.reduce((sum, tokens) => sum + Array.from(losses(tokens)).reduce((a, b) => a + b, 0), 0) / (400 * 6);
    const unigram = mean((tokens) => [...tokens.subarray(1)].map((token) => -Math.log(probability([token]))));
    expect(mean(floorNats)).toBeLessThan(unigram - 0.05);
    const again = await hiddenSourcesCorpus({ ...options });
    expect(again.hash).toBe(corpus.hash);
    for (const each of [corpus, again]) each.close();
  });

  it.each([
    [{ numSources: 0 }, "numSources is 0"],
    [{ vocabSize: 2 }, "vocabSize is 2"],
    [{ sharpness: -1 }, "sharpness is -1: expected a finite number of at least 0"],
    [{ contextLength: 1 }, "contextLength is 1"],
    [{ trainDocuments: 0 }, "trainDocuments is 0"],
  ])("refuse %j", async (keys, message) => {
    await expect(hiddenSourcesCorpus({ ...options, ...keys })).rejects.toThrow(message);
  });
});
