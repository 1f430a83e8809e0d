// Shapes: S windows, L context, M = L + 1, V vocabulary, N segments, E experts.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { heldOutWindows, openCorpus, type Corpus } from "../data";
import { forward, type ModelConfig, type Params } from "../models";
import { randomParams, tinyConfig, useTestBackend } from "../testing";
import { TINY_VOCABULARY, writeTinyCorpus } from "../train/testing/tiny-corpus";
import { perplexityByDomain } from "./perplexity";
import { routingByDomain } from "./routing";
import { unigramEntropyNats } from "./unigram";
import { windowBatches } from "./window-batches";

const TOLERANCE = { rtol: 1e-5, atol: 1e-6 };

let folder: string;
let corpus: Corpus;
/** Segments of 4, 4 and 3 tokens. */
let config: ModelConfig;
let params: Params;
/** Five windows of each domain, on tfjs's CPU backend. */
let naive: Map<string, NaiveWindow[]>;

beforeAll(async () => {
  await useTestBackend();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "held-out-"));
  await writeTinyCorpus(path.join(folder, "corpus"));
  corpus = await openCorpus(path.join(folder, "corpus"));
  config = tinyConfig({ vocabSize: TINY_VOCABULARY, contextLength: 11, segmentLength: 4 });
  params = randomParams(config, 1);
  const backend = tf.getBackend();
  await tf.setBackend("cpu");
  naive = new Map();
  for (const { name } of corpus.domains) naive.set(name, await naiveWindows(name, 5));
  await tf.setBackend(backend);
});
afterAll(async () => {
  tf.dispose(params);
  await fs.rm(folder, { recursive: true });
});

interface NaiveWindow {
  readonly losses: number[];
  /** By layer, then segment, then expert. */
  readonly weights: number[][][];
}

/** One window at a time, on the current backend, losses in float64 on the host. */
async function naiveWindows(domain: string, maxWindows: number): Promise<NaiveWindow[]> {
  const { contextLength: L } = config;
  const weights = randomParams(config, 1);
  const { tokens_SM, windows } = heldOutWindows(corpus, domain, { contextLength: L, maxWindows });
  const results: NaiveWindow[] = [];
  for (let s = 0; s < windows; s++) {
    const tokens = [...tokens_SM.subarray(s * (L + 1), (s + 1) * (L + 1))];
    const { logits_BLV, routing } = forward(weights, tf.tensor2d(tokens.slice(0, L), [1, L], "int32"), config);
    const logits_LV = (await logits_BLV.array())[0];
    const losses = logits_LV.map((logits, t) => {
      const largest = Math.max(...logits);
      return largest + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - largest), 0)) - logits[tokens[t + 1]];
    });
    const used = await Promise.all(routing.map(async (w_BNE) => (await w_BNE.array())[0]));
    tf.dispose([logits_BLV, routing]);
    results.push({ losses, weights: used });
  }
  tf.dispose(weights);
  return results;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

describe("batches of windows", () => {
  it("have one shape; what fills the last one does not count", () => {
    const tokens_SM = Int32Array.from({ length: 5 * 3 }, (_, i) => i);
    const batches = [...windowBatches({ tokens_SM, windows: 5 }, 2, 2)];
    expect(batches.map(({ windows }) => windows)).toEqual([2, 2, 1]);
    expect([...batches[1].tokens_BM]).toEqual([6, 7, 8, 9, 10, 11]);
    expect([...batches[2].tokens_BM]).toEqual([12, 13, 14, 12, 13, 14]);
  });
});

describe("perplexity by domain", () => {
  it.each([1, 3, 5, 16])("is the naive mean over tokens, in batches of %d", async (batchSize) => {
    const results = await perplexityByDomain(params, config, corpus, { batchSize, maxWindows: 5 });
    expect(results.map(({ domain }) => domain)).toEqual(["rising", "falling"]);
    for (const result of results) {
      const windows = naive.get(result.domain)!;
      expect([result.windows, result.tokens]).toEqual([5, 55]);
      expectClose(result.lossNats, mean(windows.flatMap(({ losses }) => losses)), TOLERANCE);
      expectClose(result.perplexity, Math.exp(result.lossNats), TOLERANCE);
      const first = windows.flatMap(({ losses }) => losses.slice(0, 4));
      const rest = windows.flatMap(({ losses }) => losses.slice(4));
      expectClose(result.firstSegmentLossNats, mean(first), TOLERANCE);
      expectClose(result.restLossNats!, mean(rest), TOLERANCE);
    }
  });

  it("takes the windows that there are when more are asked for", async () => {
    const [{ windows, tokens }] = await perplexityByDomain(params, config, corpus, { maxWindows: 100_000 });
    const { heldOutTokens, heldOutDocuments } = corpus.domains[0];
    expect(windows).toBe(Math.floor((heldOutTokens + heldOutDocuments - 1) / 11));
    expect(tokens).toBe(windows * 11);
  });

  it("has no rest when the context is one segment", async () => {
    const single = { ...config, segmentLength: 11 };
    const [result] = await perplexityByDomain(params, single, corpus, { maxWindows: 2 });
    expect(result.restLossNats).toBeNull();
    expect(result.firstSegmentLossNats).toBe(result.lossNats);
  });

  it("leaves no tensor behind, and ends with the signal's reason", async () => {
    const before = tf.memory().numTensors;
    await perplexityByDomain(params, config, corpus, { maxWindows: 5, batchSize: 2 });
    const signal = AbortSignal.abort(new Error("stopped"));
    await expect(perplexityByDomain(params, config, corpus, { signal })).rejects.toThrow("stopped");
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("routing by domain", () => {
  it.each([1, 3])("is the naive mean over tokens, in batches of %d", async (batchSize) => {
    const { domains, weights } = await routingByDomain(params, config, corpus, { batchSize, maxWindows: 5 });
    expect(domains).toEqual(["rising", "falling"]);
    expect(weights).toHaveLength(config.numLayers);
    for (const [d, domain] of domains.entries()) {
      const windows = naive.get(domain)!;
      weights.forEach((layer, l) => {
        const ofTokens = windows.flatMap((window) =>
          Array.from({ length: 11 }, (_, t) => window.weights[l][Math.floor(t / 4)]),
        );
        const expected = layer[d].map((_, e) => mean(ofTokens.map((w_E) => w_E[e])));
        expectClose(layer[d], expected, TOLERANCE);
        expectClose(
          layer[d].reduce((sum, w) => sum + w),
          1,
          TOLERANCE,
        );
      });
    }
  });

  it("comes with the statistics of routing, over all domains alike, and what experts and domains share", async () => {
    const found = await routingByDomain(params, config, corpus, { batchSize: 3, maxWindows: 5 });
    const entropy = (shares: readonly number[]): number => -shares.reduce((sum, p) => sum + p * Math.log(p), 0);
    found.weights.forEach((means_DE, l) => {
      const tokensOf = (domain: string): number[][] =>
        naive
          .get(domain)!
          .flatMap((window) => Array.from({ length: 11 }, (_, t) => window.weights[l][Math.floor(t / 4)]));
      const rows = found.domains.map(tokensOf);
      const means_E = means_DE[0].map((_, e) => mean(means_DE.map((row) => row[e])));
      const { meanEntropyNats, entropyOfMeanNats, highShare, loadImbalance } = found.statistics[l]!;
      const expected = [
        mean(rows.map((tokens) => mean(tokens.map(entropy)))),
        entropy(means_E),
        mean(rows.map((tokens) => mean(tokens.flat().map((w) => (w > 2 / config.numExperts ? 1 : 0))))),
        Math.max(...means_E) * config.numExperts - 1,
      ];
      expectClose([meanEntropyNats, entropyOfMeanNats, highShare, loadImbalance], expected, { rtol: 1e-4, atol: 1e-6 });
      const information = entropy(means_E) - mean(means_DE.map(entropy));
      expectClose(found.domainInformationNats[l], information, { rtol: 1e-4, atol: 1e-6 });
    });
  });

  it("counts each token by itself where tokens are routed", async () => {
    const chosen = { ...config, routingMode: "token_choice", numExpertsPerTok: 1 } as const;
    const { weights } = await routingByDomain(params, chosen, corpus, { batchSize: 2, maxWindows: 3 });
    for (const weights_E of weights.flat()) {
      expectClose(
        weights_E.reduce((sum, w) => sum + w),
        1,
        TOLERANCE,
      );
      // Of 3 windows of 11 tokens, each token has one expert.
      for (const weight of weights_E) expectClose(weight * 33, Math.round(weight * 33), { rtol: 0, atol: 1e-4 });
    }
  });

  it("is refused for a dense model", async () => {
    const dense = tinyConfig({ vocabSize: TINY_VOCABULARY, numExperts: 0 });
    await expect(routingByDomain(randomParams(dense, 1), dense, corpus)).rejects.toThrow(/dense .* no routing weights/);
  });

  it("leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    await routingByDomain(params, config, corpus, { maxWindows: 3, batchSize: 2 });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("the unigram entropy", () => {
  it.each([
    ["even", [5, 5, 5, 5], Math.log(4)],
    ["one token only", [0, 9, 0], 0],
    ["halves and quarters", [2, 1, 1, 0], 1.5 * Math.LN2],
  ])("%s", (_case, counts, expected) => {
    expect(unigramEntropyNats({ trainTokenCounts: () => Float64Array.from(counts) })).toBeCloseTo(expected, 14);
  });

  it("of a corpus counts its documents' ends", () => {
    const counts = corpus.trainTokenCounts();
    expect(counts[corpus.endOfDocument]).toBe(corpus.train.documents);
    expect(unigramEntropyNats(corpus)).toBeLessThan(Math.log(TINY_VOCABULARY));
  });
});
