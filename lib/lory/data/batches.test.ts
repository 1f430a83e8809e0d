import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { trainBatches, type TrainBatchOptions } from "./batches";
import { type Corpus, openCorpus } from "./corpus";
import { heldOutWindows } from "./held-out";
import { permutation } from "./permutation";
import { TINY_DOMAINS, TINY_END, type TinyDocument, writeTinyCorpus } from "./tiny-corpus";

const folder = mkdtempSync(path.join(os.tmpdir(), "batches-"));
afterAll(() => rmSync(folder, { recursive: true }));

const documentsOf = (lengths: { min: number; max: number }) =>
  fc.array(
    fc.record({
      domain: fc.nat(TINY_DOMAINS.length - 1),
      tokens: fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 30 }),
    }),
    { minLength: lengths.min, maxLength: lengths.max },
  );

async function corpusOf(train: TinyDocument[], heldOut: TinyDocument[] = []): Promise<Corpus> {
  // Shards of 40 tokens: most documents lie in another shard than their neighbour in the shuffled order.
  writeTinyCorpus(path.join(folder, "build"), { train, heldOut }, { shardTokens: 40 });
  return openCorpus(path.join(folder, "build"));
}

/** The instances of one epoch in the order of the text, made the slow way. */
function instancesOf(documents: TinyDocument[], contextLength: number, seed: number, epoch: number): number[][] {
  const order = [...permutation(documents.length, seed, epoch)];
  const stream = order.flatMap((index) => [...documents[index].tokens, TINY_END]);
  const count = Math.floor((stream.length - 1) / contextLength);
  return Array.from({ length: count }, (_, i) => stream.slice(i * contextLength, (i + 1) * contextLength + 1));
}

function take(corpus: Corpus, options: TrainBatchOptions, steps: number) {
  const batches = trainBatches(corpus, options);
  return Array.from({ length: steps }, () => batches.next().value);
}

const shapes = fc.record({
  batchSize: fc.integer({ min: 1, max: 4 }),
  contextLength: fc.integer({ min: 1, max: 9 }),
  seed: fc.maxSafeNat(),
});

describe("trainBatches", () => {
  it("takes every instance of the shuffled documents once an epoch, in another order each time", async () => {
    await fc.assert(
      fc.asyncProperty(documentsOf({ min: 20, max: 60 }), shapes, async (train, options) => {
        const { batchSize, contextLength, seed } = options;
        const corpus = await corpusOf(train);
        const epochs = [0, 1, 2].map((epoch) => instancesOf(train, contextLength, seed, epoch));
        const perEpoch = epochs[0].length;
        const steps = Math.floor((3 * perEpoch) / batchSize);
        const rows: number[][] = [];
        for (const { tokens_BM, epoch } of take(corpus, options, steps)) {
          for (let row = 0; row < batchSize; row++) {
            rows.push([...tokens_BM.subarray(row * (contextLength + 1), (row + 1) * (contextLength + 1))]);
          }
          expect(epoch).toBe(Math.floor((rows.length - 1) / perEpoch));
        }
        const sorted = (instances: number[][]) => instances.map((tokens) => tokens.join(" ")).sort();
        for (const epoch of [0, 1]) {
          const taken = rows.slice(epoch * perEpoch, (epoch + 1) * perEpoch);
          expect(sorted(taken)).toEqual(sorted(epochs[epoch]));
        }
        corpus.close();
      }),
      { numRuns: 25 },
    );
  });

  it("mixes places of the text in a batch", async () => {
    const corpus = await corpusOf([{ domain: 0, tokens: Array.from({ length: 900 }, (_, i) => i + 1) }]);
    const [{ tokens_BM }] = take(corpus, { batchSize: 50, contextLength: 9, seed: 0 }, 1);
    const starts = Array.from({ length: 50 }, (_, row) => tokens_BM[row * 10]);
    const neighbours = starts.slice(1).filter((start, i) => start === starts[i] + 9);
    expect(new Set(starts).size).toBe(50);
    expect(neighbours.length).toBeLessThan(5);
  });

  it("goes on from any step as if it had never stopped", async () => {
    await fc.assert(
      fc.asyncProperty(documentsOf({ min: 20, max: 60 }), shapes, fc.nat(200), async (train, options, startStep) => {
        const corpus = await corpusOf(train);
        const fromStart = take(corpus, options, startStep + 3).slice(startStep);
        expect(take(corpus, { ...options, startStep }, 3)).toEqual(fromStart);
        corpus.close();
      }),
      { numRuns: 25 },
    );
  });

  it("orders documents by the seed, anew in each epoch, and hands out arrays that are the caller's own", async () => {
    const train = Array.from({ length: 40 }, (_, i) => ({ domain: 0, tokens: [i + 1] }));
    const corpus = await corpusOf(train);
    const shape = { batchSize: 4, contextLength: 10, seed: 1 };
    const [first, second, third] = take(corpus, shape, 3);
    expect(first.tokens_BM).not.toEqual(take(corpus, { ...shape, seed: 2 }, 1)[0].tokens_BM);
    expect(third.tokens_BM).not.toEqual(first.tokens_BM);
    expect([first.epoch, second.epoch, third.epoch]).toEqual([0, 1, 1]);
    const kept = first.tokens_BM.slice();
    take(corpus, shape, 2);
    expect(first.tokens_BM).toEqual(kept);
  });

  it("refuses a corpus that is smaller than a batch, and bad options", async () => {
    const corpus = await corpusOf([{ domain: 0, tokens: [1, 2, 3] }]);
    expect(() => trainBatches(corpus, { batchSize: 2, contextLength: 2, seed: 0 })).toThrow(
      "corpus tiny has 4 training tokens, one batch of 2 x 2 needs 5",
    );
    const options = { batchSize: 1, contextLength: 2, seed: 0 };
    expect(() => trainBatches(corpus, { ...options, batchSize: 0 })).toThrow("batchSize is 0, expected an integer");
    expect(() => trainBatches(corpus, { ...options, contextLength: 1.5 })).toThrow("contextLength is 1.5");
    expect(() => trainBatches(corpus, { ...options, seed: -1 })).toThrow("seed is -1");
    expect(() => trainBatches(corpus, { ...options, startStep: Number.NaN })).toThrow("startStep is NaN");
  });
});

describe("heldOutWindows", () => {
  it("cuts a domain's documents, each once, into windows that share one token", async () => {
    await fc.assert(
      fc.asyncProperty(documentsOf({ min: 20, max: 60 }), fc.integer({ min: 1, max: 9 }), async (heldOut, length) => {
        const corpus = await corpusOf([{ domain: 0, tokens: [1] }], [...heldOut, { domain: 1, tokens: [7, 8, 9, 10] }]);
        const all = heldOutWindows(corpus, "south", { contextLength: length > 4 ? 4 : length, maxWindows: 10_000 });
        const row = (length > 4 ? 4 : length) + 1;
        const stream = [
          ...all.tokens_SM.subarray(0, 1),
          ...Array.from({ length: all.windows }, (_, w) => [
            ...all.tokens_SM.subarray(w * row + 1, (w + 1) * row),
          ]).flat(),
        ];
        const south = [...heldOut.filter(({ domain }) => domain === 1).map(({ tokens }) => tokens), [7, 8, 9, 10]];
        const length_ = south.reduce((sum, tokens) => sum + tokens.length + 1, 0);
        expect(stream.length).toBe(1 + Math.floor((length_ - 1) / (row - 1)) * (row - 1));
        // Every document but those after the last window is there, whole, exactly as often as it was put in.
        const found = documentsIn(stream);
        const left = south.map((tokens) => tokens.join(" "));
        for (const text of found) {
          expect(left).toContain(text);
          left.splice(left.indexOf(text), 1);
        }
        expect(left.length).toBe(south.length - found.length);
        corpus.close();
      }),
      { numRuns: 25 },
    );
  });

  it("gives the same windows every time; fewer are the first of more", async () => {
    const heldOut = Array.from({ length: 30 }, (_, i) => ({ domain: i % 2, tokens: [i + 1, i + 2, i + 3] }));
    const corpus = await corpusOf([{ domain: 0, tokens: [1] }], heldOut);
    const many = heldOutWindows(corpus, "north", { contextLength: 5, maxWindows: 8 });
    const few = heldOutWindows(corpus, "north", { contextLength: 5, maxWindows: 3 });
    expect(many.windows).toBe(8);
    expect(few.windows).toBe(3);
    expect(few.tokens_SM).toEqual(many.tokens_SM.subarray(0, 3 * 6));
  });

  it("refuses an unknown domain, one without a window, and bad options", async () => {
    const corpus = await corpusOf([{ domain: 0, tokens: [1] }], [{ domain: 0, tokens: [1, 2] }]);
    const options = { contextLength: 2, maxWindows: 1 };
    expect(heldOutWindows(corpus, "north", options).tokens_SM).toEqual(Int32Array.of(1, 2, TINY_END));
    expect(() => heldOutWindows(corpus, "west", options)).toThrow('no domain "west"; it has north, south');
    expect(() => heldOutWindows(corpus, "south", options)).toThrow("has 0 held-out tokens, a window needs 3");
    expect(() => heldOutWindows(corpus, "north", { ...options, maxWindows: 0 })).toThrow("maxWindows is 0");
  });
});

/** The documents that end inside a stream. */
function documentsIn(stream: number[]): string[] {
  return stream
    .join(" ")
    .split(` ${TINY_END}`)
    .slice(0, -1)
    .map((text) => text.trim());
}
