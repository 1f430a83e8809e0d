// Shapes: L context.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { heldOutWindows, type Corpus, type Tokenizer } from "../data";
import { countParameters, denseRow, lossNats, mergeForPrompt, type ModelConfig, type Params } from "../models";
import { Draws, randomParams, tinyConfig, tokenTensor } from "../testing";
import { continuationDifference, continuationLoss } from "./continuation";
import { continueHeldOut } from "./continue-held-out";
import { heldOutCorpus } from "./leak/testing/held-out-corpus";
import { perplexityByDomain } from "./perplexity";
import { promptWeightBytes, softToSparse } from "./soft-to-sparse";

/** Segments of 4, 4 and 3 tokens. */
let config: ModelConfig;
let params: Params;
let corpus: Corpus;
let remove: () => Promise<void>;
beforeAll(async () => {
  await tf.setBackend("cpu");
  config = tinyConfig({ contextLength: 11, segmentLength: 4 });
  params = randomParams(config, 1);
  const draws = new Draws(2);
  const document = (): number[] => draws.many(40, () => 1 + draws.integer(config.vocabSize - 1));
  ({ corpus, remove } = await heldOutCorpus([[document()], [document()]], config.vocabSize));
});
afterAll(() => remove());

const options = { batchSize: 2, maxWindows: 3 };

describe("the loss behind a prompt", () => {
  it("by segments is that of evaluation, for the tokens behind it", async () => {
    const expected = await perplexityByDomain(params, config, corpus, options);
    const actual = await continuationLoss(params, config, corpus, { ...options, promptLength: 5, routing: "segments" });
    actual.forEach(({ domain, tokens, lossNats: loss }, d) => {
      expect([domain, tokens]).toEqual([expected[d].domain, 3 * 7]);
      expect(loss).toBeCloseTo(expected[d].restLossNats!, 5);
    });
  });

  it("is that of the tokens in each segment, from the first predicted one on", async () => {
    const [{ lossNats: loss, segmentLossesNats }] = await continuationLoss(params, config, corpus, {
      ...options,
      promptLength: 3,
    });
    // Tokens 3; 4 to 7; 8 to 11.
    expect(segmentLossesNats).toHaveLength(3);
    const [one, four, last] = segmentLossesNats;
    expect((one + 4 * four + 4 * last) / 9).toBeCloseTo(loss, 5);
  });

  it("routed by the prompt is that of the dense model that the prompt merges", async () => {
    const promptLength = 6;
    const [{ lossNats: loss }] = await continuationLoss(params, config, corpus, {
      ...options,
      maxWindows: 1,
      promptLength,
    });
    const [{ name }] = corpus.domains;
    const tokens = [...heldOutWindows(corpus, name, { contextLength: 11, maxWindows: 1 }).tokens_SM];
    const prompt = tokenTensor([tokens.slice(0, promptLength)]);
    const merged = mergeForPrompt(params, prompt, tf.tensor1d([promptLength], "int32"), config);
    const dense = { ...config, numExperts: 0 };
    const total = (ids: number[]): number =>
      (ids.length - 1) * lossNats(denseRow(merged, 0), tokenTensor([ids]), dense).dataSync()[0];
    expect(loss).toBeCloseTo(
      (total(tokens) - total(tokens.slice(0, promptLength))) / (tokens.length - promptLength),
      4,
    );
  });

  it("differs between ways of routing by the mean over windows, with an interval around it", async () => {
    const losses = await Promise.all(
      (["prompt", "segments"] as const).map((routing) =>
        continuationLoss(params, config, corpus, { ...options, promptLength: 4, routing }),
      ),
    );
    const { domains, total } = continuationDifference(losses[0], losses[1]);
    domains.forEach(({ mean, low, high }, d) => {
      expect(mean).toBeCloseTo(losses[0][d].lossNats - losses[1][d].lossNats, 9);
      expect(low <= mean && mean <= high).toBe(true);
    });
    expect(total.mean).toBeCloseTo((domains[0].mean + domains[1].mean) / 2, 9);
    expect(() => continuationDifference(losses[0], losses[1].slice(1))).toThrow("the windows differ");
  });

  it("refuses a prompt that does not fit", async () => {
    for (const promptLength of [0, 12, 1.5]) {
      await expect(continuationLoss(params, config, corpus, { promptLength })).rejects.toThrow(
        `promptLength is ${promptLength}: expected an integer from 1 to 11`,
      );
    }
  });
});

describe("a soft mixture made sparse", () => {
  it("is the soft one exactly with all experts, and another with fewer", async () => {
    const promptLength = 6;
    const soft = await continuationLoss(params, config, corpus, { ...options, promptLength });
    const sparse = await softToSparse(params, config, corpus, { ...options, promptLength, counts: [1, 3] });
    expect(sparse.map(({ count, renormalize }) => [count, renormalize])).toEqual([
      [1, true],
      [1, false],
      [3, true],
    ]);
    expect(sparse[2].domains).toEqual(soft.map(({ domain, lossNats: loss }) => ({ domain, lossNats: loss })));
    expect(new Set(sparse.map(({ lossNats: loss }) => loss)).size).toBe(3);
    expect(sparse.map(({ weightBytes }) => weightBytes)).toEqual([1, 1, 3].map((k) => promptWeightBytes(config, k)));
  });

  it("needs the bytes of its own experts alone", () => {
    const [all, two] = [3, 2].map((count) => promptWeightBytes(config, count));
    expect(all).toBe(4 * countParameters(config).total);
    expect(all - two).toBe(4 * 2 * 3 * config.dModel * config.dFfn);
    expect(promptWeightBytes(config, 5)).toBe(all);
  });

  it("is one whose experts are merged", async () => {
    const chosen = tinyConfig({ routingMode: "token_choice" });
    await expect(softToSparse(params, chosen, corpus, { promptLength: 4, counts: [1] })).rejects.toThrow(
      'routingMode "token_choice": only experts that are merged',
    );
  });
});

describe("held-out text that is continued", () => {
  const tokenizer = {
    vocabSize: 13,
    endOfDocument: 0,
    decode: String,
    encodeBatch: (texts: readonly string[]) => Promise.resolve(texts.map(() => [])),
  } as unknown as Tokenizer;

  it("begins as the real text does, and has the routing of its own segments", async () => {
    const continued = await continueHeldOut(params, config, corpus, tokenizer, { promptLength: 5, texts: 2, seed: 1 });
    expect(continued.map(({ domain }) => domain)).toEqual(corpus.domains.map(({ name }) => name));
    const [{ written, real }] = continued;
    expect([written.length, real.length]).toEqual([2, 2]);
    // Segments 1 and 2 are routed by segment 1, which was given; segment 3 by what was written.
    for (const segment of [0, 1]) expect(written[0].weights[0][segment]).toEqual(real[0].weights[0][segment]);
    expect(real[0].weights[0]).toHaveLength(3);
  });

  it("leaves something to be written", async () => {
    const all = { promptLength: 11, texts: 1 };
    await expect(continueHeldOut(params, config, corpus, tokenizer, all)).rejects.toThrow(
      "promptLength is 11: expected",
    );
  });
});
