import { mkdtempSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type TrainBatch, trainBatches } from "../batches";
import { type Corpus, openCorpus } from "../corpus";
import { batchingConfig } from "../orders/batching-config";
import { documentOrder } from "../orders/document-order";
import { TINY_END, type TinyDocument, writeTinyCorpus } from "../tiny-corpus";
import { loadBatches, type LoadOptions } from "./load-batches";

const folder = mkdtempSync(path.join(os.tmpdir(), "loader-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function corpusOf(train: TinyDocument[], name = "build"): Promise<Corpus> {
  writeTinyCorpus(path.join(folder, name), { train, heldOut: [] }, { shardTokens: 60 });
  return openCorpus(path.join(folder, name));
}

async function take(corpus: Corpus, options: LoadOptions, count: number): Promise<TrainBatch[]> {
  const taken: TrainBatch[] = [];
  for await (const batch of loadBatches(corpus, options)) {
    taken.push(batch);
    if (taken.length === count) break;
  }
  return taken;
}

const documents = fc.array(
  fc.record({
    domain: fc.nat(1),
    tokens: fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 30 }),
  }),
  { minLength: 20, maxLength: 40 },
);
const orders = fc.constantFrom("random" as const, "domain" as const, "similarity" as const, "bm25" as const);

describe("loadBatches", () => {
  it("hands out every token once an epoch, whatever the order and the devices, none to two of them", async () => {
    await fc.assert(
      fc.asyncProperty(documents, orders, fc.constantFrom(1, 2, 4), fc.nat(9), async (train, name, worldSize, seed) => {
        const corpus = await corpusOf(train);
        const contextLength = 5;
        const cacheFolder = path.join(folder, "cache");
        const order = await documentOrder(corpus, batchingConfig(name), { seed, contextLength, cacheFolder });
        const tokens = corpus.train.tokens + corpus.train.documents;
        const instances = Math.floor((tokens - 1) / contextLength);
        const steps = Math.floor(instances / 4);
        const shards: TrainBatch[][] = [];
        for (let rank = 0; rank < worldSize; rank++) {
          shards.push(await take(corpus, { batchSize: 4, contextLength, seed, order, rank, worldSize }, steps));
        }
        const whole = await take(corpus, { batchSize: 4, contextLength, seed, order }, steps);
        whole.forEach(({ tokens_BM, domainTokens }, step) => {
          const joined = shards.flatMap((shard) => [...shard[step].tokens_BM]);
          expect(joined).toEqual([...tokens_BM]);
          const counted = shards.map((shard) => shard[step].domainTokens);
          expect([...domainTokens]).toEqual(
            [...domainTokens.keys()].map((d) => counted.reduce((sum, each) => sum + each[d], 0)),
          );
          expect(domainTokens.reduce((a, b) => a + b, 0)).toBe(4 * contextLength);
        });
        // The rows' inputs are distinct pieces of the documents: as many of each token as there are, but for what a last batch lacks.
        const seen = new Map<number, number>();
        for (const { tokens_BM } of whole) {
          tokens_BM.forEach((token, i) => {
            if (i % (contextLength + 1) < contextLength) seen.set(token, (seen.get(token) ?? 0) + 1);
          });
        }
        const there = new Map<number, number>([[TINY_END, train.length]]);
        train.forEach((document) => document.tokens.forEach((token) => there.set(token, (there.get(token) ?? 0) + 1)));
        let missing = 0;
        for (const [token, count] of there) {
          expect(seen.get(token) ?? 0).toBeLessThanOrEqual(count);
          missing += count - (seen.get(token) ?? 0);
        }
        expect(missing).toBe(tokens - steps * 4 * contextLength);
        corpus.close();
      }),
      { numRuns: 20 },
    );
  });

  it("goes on from any step as if it had never stopped, in every order", async () => {
    const train = Array.from({ length: 50 }, (_, i) => ({
      domain: i % 2,
      tokens: Array.from({ length: 9 }, (__, t) => 1 + ((7 * i + t) % 99)),
    }));
    const corpus = await corpusOf(train);
    await fc.assert(
      fc.asyncProperty(orders, fc.nat(200), fc.nat(9), async (name, startStep, seed) => {
        const order = await documentOrder(corpus, batchingConfig(name), {
          seed,
          contextLength: 7,
          cacheFolder: path.join(folder, "cache"),
        });
        const options = { batchSize: 3, contextLength: 7, seed, order };
        const all = await take(corpus, options, startStep + 2);
        expect(await take(corpus, { ...options, startStep }, 2)).toEqual(all.slice(startStep));
      }),
      { numRuns: 20 },
    );
    corpus.close();
  });

  it("reads the same batches in a thread of its own, and says what a deleted shard is", async () => {
    const train = Array.from({ length: 60 }, (_, i) => ({
      domain: i % 2,
      tokens: Array.from({ length: 20 }, (__, t) => 1 + ((i + t) % 99)),
    }));
    const corpus = await corpusOf(train, "threaded");
    const order = await documentOrder(corpus, batchingConfig("domain"), { seed: 2, contextLength: 9 });
    const options = { batchSize: 2, contextLength: 9, seed: 2, order, startStep: 5 };
    const read = trainBatches(corpus, options);
    const expected = Array.from({ length: 12 }, () => read.next().value);
    expect(await take(corpus, { ...options, readAhead: 3 }, 12)).toEqual(expected);

    const batches = loadBatches(corpus, { ...options, readAhead: 1 });
    renameSync(path.join(corpus.dir, corpus.manifest.splits.train.shards[0].file), path.join(folder, "away.npy"));
    await expect(async () => {
      for await (const batch of batches) if (batch.step > 200) break;
    }).rejects.toThrow(/cannot open .*train-00000\.npy/);
    corpus.close();
    await expect(take(corpus, { ...options, batchSize: 3, worldSize: 2, readAhead: 1 }, 1)).rejects.toThrow(
      "batchSize is 3, expected a multiple of worldSize 2",
    );
    await expect(take(corpus, { ...options, rank: 1, readAhead: 1 }, 1)).rejects.toThrow("rank is 1");
  });
});
