import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import {
  compiledForward,
  compiledForwardAndLoss,
  onlyExpert,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
  withTensors,
} from "../testing";
import type { ModelConfig } from "./config";
import type { Params } from "./params";

// The same sums in another order: a few roundings of 6e-8.
const REORDERED = { rtol: 1e-5, atol: 2e-6 };

const lory = tinyConfig({ numExperts: 3, segmentLength: 4 });
const dense: ModelConfig = { ...lory, numExperts: 0 };
const tokens_BL = randomTokens(lory, 2, 11, 2).map((row) => row.slice(0, -1));

beforeAll(useTestBackend);

const logits = (params: Params, tokens: number[][], config: ModelConfig): tf.Tensor3D =>
  compiledForward(params, tokenTensor(tokens), config).logits_BLV;

/** The logits of a pass of training. */
const trainingLogits = (params: Params, tokens: number[][], config: ModelConfig): tf.Tensor3D =>
  compiledForwardAndLoss(params, tokenTensor(tokens.map((row) => [...row, 0])), config, "training").logits_BLV;

// TensorFlow's products round a row by its place among others, which later tokens can move where tokens go to experts.
const roundingOf = (): number => (tf.getBackend() === "tensorflow" ? 5e-6 : 0);

/** For each position of the first row: whether its logits change when the token at `position` does. */
function changed(params: Params, config: ModelConfig, position: number): boolean[] {
  const other = tokens_BL.map((row) => [...row]);
  other[0][position] = (other[0][position] + 1) % config.vocabSize;
  const [before, after] = [tokens_BL, other].map((tokens) => logits(params, tokens, config).arraySync());
  const rounding = roundingOf();
  const differs = before.map((row_LV, b) =>
    row_LV.map((row_V, l) => row_V.some((value, v) => Math.abs(value - after[b][l][v]) > rounding)),
  );
  expect(differs.slice(1).flat()).not.toContain(true);
  return differs[0];
}

const positions = tokens_BL[0].map((_, l) => l);

test.each(positions)("dense: a changed token %i changes no logit before it, and none of another row", (position) => {
  expect(changed(onlyExpert(randomParams(lory, 7), 0), dense, position)).toEqual(positions.map((l) => l >= position));
});

test.each(positions.filter((l) => l >= lory.segmentLength))(
  "Lory: a changed token %i after the first segment changes no logit before it, and none of another row",
  (position) => {
    expect(changed(randomParams(lory, 7), lory, position)).toEqual(positions.map((l) => l >= position));
  },
);

test.each([1, 2, 3])(
  "Lory: a changed token %i of the first segment reaches back through the segment's mean",
  (position) => {
    expect(changed(randomParams(lory, 7), lory, position)).toEqual(positions.map(() => true));
  },
);

test.each(
  (["causal_segment", "running_mean"] as const).flatMap((routingMode) =>
    (["uniform", "learned_prior", "dense_expert"] as const).map((firstSegmentRule) => ({
      routingMode,
      firstSegmentRule,
    })),
  ),
)("$routingMode with $firstSegmentRule is strictly causal: no token changes a logit before it", (keys) => {
  const config = { ...lory, ...keys };
  const params = randomParams(config, 7);
  for (const position of positions) {
    expect(changed(params, config, position)).toEqual(positions.map((l) => l >= position));
  }
});

test("prefix: only the first segment reads ahead, and only within itself", () => {
  const config: ModelConfig = { ...lory, routingMode: "prefix" };
  for (const position of positions) {
    const reached = position > 0 && position < config.segmentLength ? 0 : position;
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= reached));
  }
});

test("own segment: each segment reads ahead within itself", () => {
  const config: ModelConfig = { ...lory, routingMode: "own_segment" };
  for (const position of positions) {
    const reached = position - (position % config.segmentLength);
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= reached));
  }
});

test.each([1, 2, 3])(
  "token choice of %i is strictly causal: no token changes a logit before it",
  (numExpertsPerTok) => {
    const config: ModelConfig = { ...lory, routingMode: "token_choice", numExpertsPerTok };
    for (const position of positions) {
      expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= position));
    }
  },
);

test.each([{ expertChoiceUnit: "token" }, { firstSegmentRule: "uniform" }] as const)(
  "expert choice at inference is strictly causal: %j",
  (keys) => {
    const config: ModelConfig = { ...lory, routingMode: "expert_choice", ...keys };
    for (const position of positions) {
      expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= position));
    }
  },
);

test.each([
  { routingMode: "remoe" },
  { routingMode: "document_pool", expertPoolSize: 2 },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false, firstSegmentRule: "uniform" },
] as const)("is strictly causal: %j", (keys) => {
  const config: ModelConfig = { ...lory, ...keys };
  for (const position of positions) {
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= position));
  }
});

test("segments and tokens: the first segment reads ahead where its own mean routes it", () => {
  const config: ModelConfig = { ...lory, routingMode: "segment_and_token", numExpertsPerTok: 1 };
  for (const position of positions) {
    const reached = position < config.segmentLength ? 0 : position;
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= reached));
  }
});

test("expert choice of segments at inference reads ahead in the first segment, which its own mean routes, and not after it", () => {
  const config: ModelConfig = { ...lory, routingMode: "expert_choice" };
  for (const position of positions) {
    const reached = position < config.segmentLength ? 0 : position;
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map((l) => l >= reached));
  }
});

test.each(["token", "segment"] as const)(
  "expert choice of %ss in training reads ahead, and other rows",
  (expertChoiceUnit) => {
    const config: ModelConfig = { ...lory, routingMode: "expert_choice", expertChoiceUnit };
    const other = tokens_BL.map((row) => [...row]);
    other[0] = other[0].map((token, l) => (l < 5 ? token : (token + 1) % lory.vocabSize));
    // Whether what came later changes what was taken depends on the weights: in one of these models it does.
    const changes = Array.from({ length: 20 }, (_, seed) => {
      const params = randomParams(config, seed);
      const difference = tf.abs(
        tf.sub(trainingLogits(params, tokens_BL, config), trainingLogits(params, other, config)),
      );
      const [before, otherRow] = [[0, 0, 0], [1, 0, 0]].map((start) => tf.slice(difference, start, [1, 4, -1])); // prettier-ignore
      return [before, otherRow].map((part) => tf.max(part).dataSync()[0]);
    });
    for (const part of [0, 1]) expect(Math.max(...changes.map((change) => change[part]))).toBeGreaterThan(1e-3);
  },
);

test("whole sequence: every token reads all others", () => {
  const config: ModelConfig = { ...lory, routingMode: "whole_sequence" };
  for (const position of positions) {
    expect(changed(randomParams(config, 7), config, position)).toEqual(positions.map(() => true));
  }
});

test("the first segment's own mean is all that reaches back: equal experts do not leak", () => {
  const params = withTensors(randomParams(lory, 8), (name, tensor) => {
    if (!/EDG|EFD/.test(name)) return undefined;
    return tf.tile(tf.slice(tensor, [0, 0, 0], [1, -1, -1]), [lory.numExperts, 1, 1]);
  });
  const other = tokens_BL.map((row) => [...row]);
  other[0][3] = (other[0][3] + 1) % lory.vocabSize;
  const difference = tf.sub(logits(params, tokens_BL, lory), logits(params, other, lory));
  const before = tf.slice(difference, [0, 0, 0], [1, 3, -1]);
  expectClose(before, tf.zeros(before.shape), REORDERED);
});
