import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import {
  compiledForward,
  compiledForwardAndLoss,
  lossGradients,
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
const tokens_BM = randomTokens(lory, 2, 11, 2);
const tokens_BL = tokens_BM.map((row) => row.slice(0, -1));

beforeAll(useTestBackend);

const logits = (params: Params, tokens: number[][], config: ModelConfig): tf.Tensor3D =>
  compiledForward(params, tokenTensor(tokens), config).logits_BLV;

const gradients = (params: Params, config: ModelConfig): ReturnType<typeof lossGradients> =>
  lossGradients(params, tokenTensor(tokens_BM), config);

test.each<Partial<ModelConfig>>([
  {},
  { routingMode: "token_choice", numExpertsPerTok: 1 },
  { routingMode: "token_choice", numExpertsPerTok: 1, normTopkProb: false },
  { routingMode: "expert_choice" },
  { routingMode: "expert_choice", expertChoiceUnit: "token", expertChoicePool: "sequence" },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false },
  { routingMode: "document_pool", numExpertsPerTok: 1, expertPoolSize: 1 },
])("one expert equals the dense model, forward and gradients: %j", (keys) => {
  const one: ModelConfig = { ...lory, numLayers: 1, numExperts: 1, ...keys };
  const params = randomParams(one, 3);
  const asDense = onlyExpert(params, 0);
  expectClose(logits(params, tokens_BL, one), logits(asDense, tokens_BL, dense), REORDERED);

  const [actual, expected] = [gradients(params, one), gradients(asDense, dense)];
  for (const [name, grad] of expected) {
    const bank = actual.get(name.replace("gateUp_DG", "gateUp_EDG").replace("down_FD", "down_EFD"))!;
    expectClose(bank.values, grad.values, REORDERED);
  }
  // A softmax over one expert is 1, whatever the router says; TensorFlow's is 1 but for a rounding.
  const tolerance = tf.getBackend() === "tensorflow" ? REORDERED : EXACT;
  for (let y = 0; y < one.numLayers; y++) {
    expectClose(actual.get(`layers.${y}.ffn.router_DE`)!.values, new Float32Array(one.dModel), tolerance);
  }
});

/** A model whose first residual component is positive at every token and layer, so that a router can rely on its sign. */
function withPositiveFirstComponent(params: Params): Params {
  const first_D = tf.cast(tf.oneHot(tf.scalar(0, "int32"), lory.dModel), "float32");
  return withTensors(params, (name, tensor) => {
    if (name === "embed_VD") return tf.add(tensor, tf.mul(first_D, 10));
    if (name.endsWith("out_DD") || name.endsWith("down_EFD")) return tf.mul(tensor, tf.sub(1, first_D));
    return name.endsWith("ffnNorm_D") ? tf.abs(tensor) : undefined;
  });
}

test.each([0, 1, 2])("a router that is sure of expert %i equals that expert", (expert) => {
  const params = withTensors(withPositiveFirstComponent(randomParams(lory, 4)), (name) =>
    name.endsWith("router_DE")
      ? tf.buffer([lory.dModel, lory.numExperts], "float32", routerOf(lory, expert)).toTensor()
      : undefined,
  );
  const { logits_BLV, routing } = compiledForward(params, tokenTensor(tokens_BL), lory);
  const hot_BNE = tf.cast(tf.oneHot(tf.fill([2, 3], expert, "int32"), lory.numExperts), "float32");
  expect(routing.length).toBe(lory.numLayers);
  routing.forEach((weights_BNE) => expectClose(weights_BNE, hot_BNE, EXACT));
  expectClose(logits_BLV, logits(onlyExpert(params, expert), tokens_BL, dense), REORDERED);
});

/** A router [D, E] that gives one expert a logit far above the others' wherever the first component is positive. */
function routerOf(config: ModelConfig, expert: number): Float32Array {
  const values = new Float32Array(config.dModel * config.numExperts);
  values[expert] = 1e4;
  return values;
}

test("equal experts equal the dense model, whatever the router says", () => {
  const params = withTensors(randomParams(lory, 5), (name, tensor) => {
    if (!/EDG|EFD/.test(name)) return undefined;
    return tf.tile(tf.slice(tensor, [0, 0, 0], [1, -1, -1]), [lory.numExperts, 1, 1]);
  });
  expectClose(logits(params, tokens_BL, lory), logits(onlyExpert(params, 0), tokens_BL, dense), REORDERED);
});

test("with one segment the router's gradient is exactly 0, and every expert has one", () => {
  const config = { ...lory, numLayers: 1, segmentLength: lory.contextLength };
  for (const [name, grad] of gradients(randomParams(config, 6), config)) {
    const largest = Math.max(...grad.values.map(Math.abs));
    if (name.endsWith("router_DE")) expect(largest).toBe(0);
    else expect(largest).toBeGreaterThan(0);
  }
});

test("with two segments and more, every router has a gradient", () => {
  const config = { ...lory, numLayers: 1 };
  for (const [name, grad] of gradients(randomParams(config, 6), config)) {
    if (name.endsWith("router_DE")) expect(Math.max(...grad.values.map(Math.abs))).toBeGreaterThan(1e-6);
  }
});

/** The logits of a pass of training. */
const trainingLogits = (params: Params, tokens: number[][], config: ModelConfig): tf.Tensor3D =>
  compiledForwardAndLoss(params, tokenTensor(tokens.map((row) => [...row, 0])), config, "training").logits_BLV;

test("a document's pool holds the experts that the text before favoured: those outside have no weight", () => {
  const config: ModelConfig = {
    ...lory,
    routingMode: "document_pool",
    numExperts: 5,
    numExpertsPerTok: 1,
    expertPoolSize: 1,
  };
  const { routing } = compiledForward(randomParams(config, 9), tokenTensor(tokens_BL), config);
  const weights_BLE = routing[0].arraySync();
  // With a pool of one, all tokens of a segment have the same expert.
  for (const start of [4, 8]) {
    for (const weights_LE of weights_BLE) {
      const experts = weights_LE.map((weights_E) => weights_E.indexOf(Math.max(...weights_E)));
      expect(new Set(experts.slice(start, start + 4)).size).toBe(1);
    }
  }
});

test("ReMoE: a token that no expert takes passes none, and an expert's weight is its logit", () => {
  const config: ModelConfig = { ...lory, routingMode: "remoe", numLayers: 1 };
  const base = withPositiveFirstComponent(randomParams(config, 4));
  const withRouter = (logit: number): Params =>
    withTensors(base, (name) =>
      name.endsWith("router_DE") ? tf.fill([config.dModel, config.numExperts], logit) : undefined,
    );
  const none = compiledForward(withRouter(-0), tokenTensor(tokens_BL), config);
  expectClose(none.routing[0], tf.zeros([2, 10, 3]), EXACT);
  const silent = withTensors(base, (name, tensor) => (name.endsWith("down_EFD") ? tf.zerosLike(tensor) : undefined));
  expectClose(none.logits_BLV, logits(silent, tokens_BL, config), EXACT);
});

test.each(["token", "segment"] as const)(
  "expert choice of %ss with one expert equals the dense model",
  (expertChoiceUnit) => {
    const config: ModelConfig = { ...lory, routingMode: "expert_choice", numExperts: 1, expertChoiceUnit };
    const params = randomParams(config, 5);
    const expected = logits(onlyExpert(params, 0), tokens_BL, dense);
    expectClose(logits(params, tokens_BL, config), expected, REORDERED);
    expectClose(trainingLogits(params, tokens_BL, config), expected, REORDERED);
  },
);

test.each([
  { routingMode: "token_choice" },
  { routingMode: "token_choice", normTopkProb: false },
  { routingMode: "document_pool", expertPoolSize: 2 },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false },
  { routingMode: "expert_choice", expertChoiceUnit: "token" },
  { routingMode: "expert_choice", expertChoiceUnit: "segment" },
] as const)("a router that is sure of an expert equals that expert: %j", (keys) => {
  // Where experts choose, there is room for all units.
  const config: ModelConfig = { ...lory, ...keys, capacityFactor: lory.numExperts };
  const params = withTensors(withPositiveFirstComponent(randomParams(config, 4)), (name) =>
    /outer_DE$/.test(name)
      ? tf.buffer([lory.dModel, lory.numExperts], "float32", routerOf(lory, 1)).toTensor()
      : undefined,
  );
  const expected = logits(onlyExpert(params, 1), tokens_BL, dense);
  expectClose(logits(params, tokens_BL, config), expected, REORDERED);
  expectClose(trainingLogits(params, tokens_BL, config), expected, REORDERED);
});

test.each([
  { routingMode: "document_pool", expertPoolSize: 2 },
  { routingMode: "segment_and_token", numExpertsPerTok: 1 },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, numExperts: 1, segmentShare: 0.2 },
  { routingMode: "token_choice" },
  { routingMode: "token_choice", numExpertsPerTok: 1, numExperts: 1 },
  { routingMode: "running_mean" },
  { routingMode: "prefix" },
  { routingMode: "own_segment" },
  { routingMode: "whole_sequence" },
  { firstSegmentRule: "uniform" },
  { firstSegmentRule: "learned_prior" },
] as const)("equal experts equal the dense model: %j", (keys) => {
  const config = { ...lory, ...keys };
  const params = withTensors(randomParams(config, 5), (name, tensor) => {
    if (!/EDG|EFD/.test(name)) return undefined;
    return tf.tile(tf.slice(tensor, [0, 0, 0], [1, -1, -1]), [config.numExperts, 1, 1]);
  });
  expectClose(logits(params, tokens_BL, config), logits(onlyExpert(params, 0), tokens_BL, dense), REORDERED);
});
