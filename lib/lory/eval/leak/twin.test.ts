import * as tf from "@tensorflow/tfjs-core";
import "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documentWindows, type Corpus } from "../../data";
import type { ModelConfig, Params } from "../../models";
import { referenceForward, referenceParams } from "../../models/reference";
import { randomParams, randomTokens, tinyConfig } from "../../testing";
import { leakBelowFloor, leakByTwin } from "./twin";
import { heldOutCorpus } from "./testing/held-out-corpus";

const LENGTH = 7;
const close = { rtol: 1e-4, atol: 1e-5 };
const paper = tinyConfig({ contextLength: LENGTH, segmentLength: 3 });
const strict = tinyConfig({ contextLength: LENGTH, segmentLength: 3, firstSegmentRule: "uniform" });

let corpus: Corpus;
let remove: () => Promise<void>;
let params: Params;

beforeAll(async () => {
  await tf.setBackend("xla");
  const documents = [1, 2].map((seed) => randomTokens(paper, 4 + seed, LENGTH + 2, seed));
  ({ corpus, remove } = await heldOutCorpus(documents, paper.vocabSize));
  params = randomParams(paper, 3);
});
afterAll(() => {
  tf.dispose(params);
  return remove();
});

/** The loss of every token of every window of a domain, one window at a time in float64. */
function naiveLosses(config: ModelConfig, domain: string): number[][] {
  const { tokens_SM, windows } = documentWindows(corpus, domain, { length: LENGTH, maxDocuments: 64 });
  return Array.from({ length: windows }, (_, s) => {
    const row = [...tokens_SM.slice(s * (LENGTH + 1), (s + 1) * (LENGTH + 1))];
    const { logits_BLV } = referenceForward(referenceParams(params), [row.slice(0, -1)], config);
    return logits_BLV[0].map(
      (logits, t) => Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[row[t + 1]],
    );
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("a twin", () => {
  it("loses more by the naive mean over tokens, in batches of any size", async () => {
    for (const batchSize of [2, 8]) {
      const model = { params, config: paper };
      const leak = await leakByTwin(model, { params, config: strict }, corpus, { batchSize, resamples: 20 });
      corpus.domains.forEach(({ name }, d) => {
        const [own, twin] = [paper, strict].map((config) => naiveLosses(config, name));
        const gaps = own.map((losses, s) => losses.map((loss, t) => twin[s][t] - loss));
        const domain = leak.domains[d];
        expect([domain.domain, domain.documents]).toEqual([name, own.length]);
        expectClose(domain.all.mean, mean(gaps.flat()), close);
        expectClose(domain.firstSegment.mean, mean(gaps.flatMap((row) => row.slice(0, 3))), close);
        expectClose(domain.laterSegments!.mean, mean(gaps.flatMap((row) => row.slice(3))), close);
      });
      expect(leak.total.documents).toBe(11);
      expect(leak.places).toHaveLength(3);
    }
  });

  it("of itself is no better, by exactly 0", async () => {
    const model = { params, config: strict };
    const { total } = await leakByTwin(model, model, corpus);
    expect(total.all).toEqual({ mean: 0, low: 0, high: 0 });
  });

  it("has no later segments in windows of one", async () => {
    const options = { length: 2, resamples: 20 };
    const { total } = await leakByTwin({ params, config: paper }, { params, config: strict }, corpus, options);
    expect(total.laterSegments).toBeNull();
    expect(total.firstSegment).toEqual(total.all);
  });

  it("is refused where it reads the future itself, and where it speaks another vocabulary", async () => {
    const model = { params, config: paper };
    await expect(leakByTwin(model, model, corpus)).rejects.toThrow(
      'the twin reads the future (routingMode "causal_segment", firstSegmentRule "own_stop_gradient")',
    );
    const other = { params, config: { ...strict, vocabSize: 12 } };
    await expect(leakByTwin(model, other, corpus)).rejects.toThrow("the twin's vocabSize is 12, the model's 13");
    const shorter = { params, config: { ...strict, contextLength: 5 } };
    await expect(leakByTwin(model, shorter, corpus)).rejects.toThrow("length is 7: expected at most 5");
  });
});

it("a causal floor is compared with, token by token", async () => {
  const seen: number[][] = [];
  const floor = (tokens_M: Int32Array) => {
    seen.push([...tokens_M]);
    return Array.from({ length: LENGTH }, (_, t) => t);
  };
  const { domains } = await leakBelowFloor({ params, config: paper }, floor, corpus, { resamples: 20 });
  corpus.domains.forEach(({ name }, d) => {
    const gaps = naiveLosses(paper, name).map((losses) => losses.map((loss, t) => t - loss));
    expectClose(domains[d].all.mean, mean(gaps.flat()), close);
    expectClose(domains[d].firstSegment.mean, mean(gaps.flatMap((row) => row.slice(0, 3))), close);
  });
  const { tokens_SM } = documentWindows(corpus, corpus.domains[0].name, { length: LENGTH, maxDocuments: 64 });
  expect(seen.slice(0, 5).flat()).toEqual([...tokens_SM]);
});
