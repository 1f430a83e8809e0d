// Shapes: M = L + 1 tokens of a window, V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documentWindows, type Corpus } from "../../data";
import type { ModelConfig, Params } from "../../models";
import { referenceForward, referenceParams } from "../../models/reference";
import type { Row } from "../../models/reference/arithmetic";
import { ROUTING_MODES } from "../../moe";
import { randomParams, randomTokens, tinyConfig } from "../../testing";
import type { Leak } from "./leak";
import { readsFuture, type LeakPass } from "./reads-future";
import { suffixChange } from "./suffix-change";
import { leakBySwap } from "./swap";
import { heldOutCorpus } from "./testing/held-out-corpus";

const LENGTH = 7;
/** Segments of 3, 3 and 1 tokens. */
const SIZE = { contextLength: LENGTH, segmentLength: 3, numExpertsPerTok: 1, expertPoolSize: 2 } as const;
/** Every position is a stratum of its own. */
const EVERY = { firstProbes: 3, laterProbes: 4, resamples: 50 } as const;

const TOKENS = [3, 1, 12, 0, 5, 9, 2];

let corpus: Corpus;
let remove: () => Promise<void>;

beforeAll(async () => {
  await tf.setBackend("xla");
  const config = tinyConfig(SIZE);
  const documents = [1, 2].map((seed) => randomTokens(config, 3, LENGTH + 3, seed));
  ({ corpus, remove } = await heldOutCorpus(documents, config.vocabSize));
});
afterAll(() => remove());

const everyMean = ({ domains, total, places }: Leak): number[] => [
  ...[...domains, total].flatMap(({ all, firstSegment, laterSegments }) => [all, firstSegment, laterSegments!]),
  ...places.flatMap(({ firstSegment, laterSegments }) => [firstSegment!, laterSegments!]),
].flatMap(({ mean, low, high }) => [mean, low, high]); // prettier-ignore

const RULES: readonly Partial<ModelConfig>[] = [
  {},
  { firstSegmentRule: "uniform" },
  { firstSegmentRule: "learned_prior" },
  { firstSegmentRule: "dense_expert" },
];
const CASES: readonly { readonly keys: Partial<ModelConfig>; readonly pass: LeakPass }[] = [
  ...ROUTING_MODES.map((routingMode) => ({ keys: { routingMode }, pass: "evaluation" as const })),
  ...RULES.map((keys) => ({ keys, pass: "evaluation" as const })),
  { keys: { routingMode: "running_mean", firstSegmentRule: "uniform" }, pass: "evaluation" },
  { keys: { routingMode: "expert_choice", firstSegmentRule: "uniform" }, pass: "evaluation" },
  { keys: { routingMode: "expert_choice", expertChoiceUnit: "token" }, pass: "evaluation" },
  { keys: { routingMode: "expert_choice", expertChoiceUnit: "token" }, pass: "training" },
  { keys: { routingMode: "expert_choice", expertChoiceUnit: "token", expertChoicePool: "sequence" }, pass: "training" },
  { keys: { routingMode: "expert_choice", firstSegmentRule: "uniform" }, pass: "training" },
  { keys: { numExperts: 0 }, pass: "evaluation" },
];

describe("taking the future from another document", () => {
  it.each(CASES)(
    "changes a model where it reads the future, and by exactly 0 where not: $keys, $pass",
    async (each) => {
      const config = tinyConfig({ ...SIZE, numLayers: 1, ...each.keys });
      const params = randomParams(config, 7);
      const leak = await leakBySwap({ params, config, pass: each.pass }, corpus, { ...EVERY, donors: 2 });
      tf.dispose(params);
      const means = [leak.wrongFuture, leak.unknownFuture].flatMap(everyMean);
      if (readsFuture(config, each.pass)) expect(means.some((mean) => Math.abs(mean) > 1e-4)).toBe(true);
      else expect(means.every((mean) => mean === 0)).toBe(true);
    },
  );

  it("changes nothing after the first segment where only that one is routed by itself", async () => {
    const config = tinyConfig(SIZE);
    const params = randomParams(config, 7);
    const { wrongFuture } = await leakBySwap({ params, config }, corpus, EVERY);
    tf.dispose(params);
    expect(wrongFuture.total.laterSegments).toEqual({ mean: 0, low: 0, high: 0 });
    expect(wrongFuture.total.firstSegment.mean).not.toBe(0);
    // Nothing follows the segment's last token.
    expect(wrongFuture.places[2].firstSegment).toEqual({ mean: 0, low: 0, high: 0 });
  });

  it.each([
    { routingMode: "own_segment" },
    { routingMode: "causal_segment" },
    { routingMode: "prefix" },
    { routingMode: "whole_sequence" },
  ] as const)("is what plain loops and float64 give: $routingMode", async (keys) => {
    const config = tinyConfig({ ...SIZE, ...keys });
    const params = randomParams(config, 9);
    const { wrongFuture, unknownFuture } = await leakBySwap({ params, config }, corpus, { ...EVERY, donors: 2 });
    corpus.domains.forEach(({ name }, d) => {
      const expected = naiveLeak(params, config, name);
      const close = { rtol: 1e-3, atol: 1e-5 };
      expectClose(wrongFuture.domains[d].all.mean, expected.wrong.all, close);
      expectClose(wrongFuture.domains[d].firstSegment.mean, expected.wrong.first, close);
      expectClose(unknownFuture.domains[d].all.mean, expected.unknown.all, close);
      expectClose(unknownFuture.domains[d].firstSegment.mean, expected.unknown.first, close);
    });
    tf.dispose(params);
  });

  it("leaves no tensor behind, depends on the seed alone, and ends with the signal's reason", async () => {
    const config = tinyConfig({ ...SIZE, routingMode: "own_segment" });
    const params = randomParams(config, 7);
    const before = tf.memory().numTensors;
    const of = (seed: number) => leakBySwap({ params, config }, corpus, { firstProbes: 1, laterProbes: 2, seed });
    expect(await of(1)).toEqual(await of(1));
    expect(await of(1)).not.toEqual(await of(2));
    const signal = AbortSignal.abort(new Error("stopped"));
    await expect(leakBySwap({ params, config }, corpus, { signal })).rejects.toThrow("stopped");
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(params);
  });

  it("refuses a suffix that leaves nothing before it, or changes nothing", async () => {
    const config = tinyConfig(SIZE);
    const params = randomParams(config, 7);
    for (const from of [0, TOKENS.length, 1.5]) {
      await expect(suffixChange(params, config, TOKENS, from)).rejects.toThrow(`from is ${from}: expected a position`);
    }
    tf.dispose(params);
  });

  it("refuses bad options, and a domain of one document", async () => {
    const config = tinyConfig(SIZE);
    const params = randomParams(config, 7);
    const model = { params, config };
    await expect(leakBySwap(model, corpus, { donors: 0 })).rejects.toThrow("donors is 0: expected a whole number");
    await expect(leakBySwap(model, corpus, { length: 8 })).rejects.toThrow("length is 8: expected at most 7");
    await expect(leakBySwap(model, corpus, { maxDocuments: 1 })).rejects.toThrow("one held-out document of 8 tokens");
    tf.dispose(params);
  });
});

/** One window, donor and position after another. */
function naiveLeak(params: Params, config: ModelConfig, domain: string) {
  const { tokens_SM, windows } = documentWindows(corpus, domain, { length: LENGTH, maxDocuments: 64 });
  const rows = Array.from({ length: windows }, (_, s) => [
    ...tokens_SM.slice(s * (LENGTH + 1), (s + 1) * (LENGTH + 1)),
  ]);
  const weights = referenceParams(params);
  const probabilities = (inputs: Row, position: number): number[] => {
    const logits_V = referenceForward(weights, [inputs], config).logits_BLV[0][position];
    const exps = logits_V.map(Math.exp);
    return exps.map((each) => each / exps.reduce((sum, value) => sum + value, 0));
  };
  const gains = rows.flatMap((row, s) =>
    Array.from({ length: LENGTH }, (_, t) => {
      const own = Math.log(probabilities(row.slice(0, -1), t)[row[t + 1]]);
      const swapped = [1, 2].map((k) => {
        const donor = rows[(s + k) % windows];
        return probabilities([...row.slice(0, t + 1), ...donor.slice(t + 1, LENGTH)], t)[row[t + 1]];
      });
      const wrong = own - (Math.log(swapped[0]) + Math.log(swapped[1])) / 2;
      return { t, wrong, unknown: own - Math.log((swapped[0] + swapped[1]) / 2) };
    }),
  );
  const mean = (of: "wrong" | "unknown", some: typeof gains): number =>
    some.reduce((sum, each) => sum + each[of], 0) / some.length;
  const first = gains.filter(({ t }) => t < SIZE.segmentLength);
  return {
    wrong: { all: mean("wrong", gains), first: mean("wrong", first) },
    unknown: { all: mean("unknown", gains), first: mean("unknown", first) },
  };
}
