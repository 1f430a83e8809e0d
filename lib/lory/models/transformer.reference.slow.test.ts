import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import {
  FORWARD,
  compareForward,
  compiledPromptForward,
  Draws,
  lossGradients,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../testing";
import type { ModelConfig } from "./config";
import {
  referenceForward,
  referenceObjective,
  referenceParams,
  type Decisions,
  type ReferenceParams,
} from "./reference";

// Central differences in float64 add about 1e-9.
const GRADIENT = { rtol: 1e-3, atol: 2e-5 };

const EXPERT_CHOICE = { routingMode: "expert_choice" } as const;
const REMOE = { routingMode: "remoe" } as const;
const SEGMENT_AND_TOKEN = { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false } as const;
const DOCUMENT_POOL = { routingMode: "document_pool", numExperts: 5, expertPoolSize: 3 } as const;
const TOKEN_CHOICE = { routingMode: "token_choice", numExperts: 3, numExpertsPerTok: 2 } as const;

beforeAll(useTestBackend);

test.each<[string, Partial<ModelConfig>, number, number]>([
  ["a last segment that is short", { segmentLength: 4 }, 2, 10],
  ["segments that divide the sequence", { segmentLength: 4 }, 2, 8],
  ["one token a segment", { segmentLength: 1 }, 2, 5],
  ["a last segment of one token", { segmentLength: 3 }, 1, 7],
  ["one segment", { segmentLength: 11 }, 2, 11],
  ["a sequence shorter than a segment", { segmentLength: 9 }, 2, 3],
  ["one token", {}, 2, 1],
  ["attention in blocks", { contextLength: 300, segmentLength: 64, numLayers: 1 }, 1, 300],
  ["one expert", { numExperts: 1 }, 2, 9],
  ["no experts", { numExperts: 0 }, 2, 9],
  ["one layer", { numLayers: 1 }, 2, 9],
  ["one head", { numHeads: 1 }, 2, 9],
  ["the smallest heads", { numHeads: 4 }, 2, 9],
  ["the smallest model", { vocabSize: 1, dModel: 2, dFfn: 1, numLayers: 1, numHeads: 1, numExperts: 1 }, 1, 1],
  ["running mean", { routingMode: "running_mean", segmentLength: 3 }, 2, 11],
  ["prefix", { routingMode: "prefix", segmentLength: 3 }, 2, 11],
  ["own segment", { routingMode: "own_segment", segmentLength: 3 }, 2, 11],
  ["whole sequence", { routingMode: "whole_sequence" }, 2, 11],
  ["uniform first segment", { firstSegmentRule: "uniform" }, 2, 10],
  ["learned prior", { firstSegmentRule: "learned_prior", routingMode: "running_mean" }, 2, 10],
  ["dense first segment", { firstSegmentRule: "dense_expert" }, 2, 10],
  ["experts in every second layer", { numLayers: 3, expertLayerStep: 2 }, 2, 10],
  ["experts in all layers but one", { numLayers: 3, denseLayers: [1] }, 2, 10],
  ["dense first and only segment", { firstSegmentRule: "dense_expert" }, 2, 3],
  ["token choice", TOKEN_CHOICE, 2, 11],
  ["token choice of one", { ...TOKEN_CHOICE, numExpertsPerTok: 1, normTopkProb: false }, 2, 10],
  ["token choice of all", { ...TOKEN_CHOICE, numExpertsPerTok: 3 }, 2, 10],
  ["token choice among many, with a bias", { ...TOKEN_CHOICE, numExperts: 7, numExpertsPerTok: 3, routerBiasUpdateRate: 1e-3 }, 3, 11], // prettier-ignore
  ["token choice of one token", TOKEN_CHOICE, 1, 1],
  ["expert choice of segments", EXPERT_CHOICE, 2, 10],
  ["expert choice of two", { ...EXPERT_CHOICE, capacityFactor: 2.5, firstSegmentRule: "learned_prior" }, 2, 11],
  ["expert choice of tokens", { ...EXPERT_CHOICE, expertChoiceUnit: "token" }, 2, 10],
  ["ReMoE", REMOE, 2, 10],
  ["ReMoE, one expert, one token", { ...REMOE, numExperts: 1, numExpertsPerTok: 1 }, 1, 1],
  ["segments and tokens", SEGMENT_AND_TOKEN, 2, 10],
  [
    "segments and tokens, most by segments",
    { ...SEGMENT_AND_TOKEN, segmentShare: 0.99, firstSegmentRule: "learned_prior" },
    2,
    11,
  ],
  [
    "segments and tokens, most by tokens",
    { ...SEGMENT_AND_TOKEN, segmentShare: 0.01, segmentLength: 1, numExperts: 1 },
    2,
    5,
  ],
  ["segments and tokens, one segment", SEGMENT_AND_TOKEN, 1, 3],
  ["document pool", DOCUMENT_POOL, 2, 11],
  [
    "document pool of one, with a bias",
    { ...DOCUMENT_POOL, expertPoolSize: 1, numExpertsPerTok: 1, routerBiasUpdateRate: 1e-3, segmentLength: 3 },
    2,
    11,
  ],
  ["document pool of all", { ...DOCUMENT_POOL, expertPoolSize: 5, segmentLength: 1 }, 2, 5],
  ["document pool, one token", DOCUMENT_POOL, 1, 1],
  ["token choice with one expert", { ...TOKEN_CHOICE, numExperts: 1, numExpertsPerTok: 1 }, 2, 9],
])("forward and loss equal the float64 reference: %s", (_, keys, batch, length) => {
  compareForward(tinyConfig(keys), batch, length, 17);
});

test.each<[string, Partial<ModelConfig>, number, number]>([
  ["expert choice of segments", EXPERT_CHOICE, 2, 10],
  ["expert choice of segments, uniform first segment", { ...EXPERT_CHOICE, firstSegmentRule: "uniform" }, 3, 11],
  ["expert choice of tokens", { ...EXPERT_CHOICE, expertChoiceUnit: "token" }, 2, 10],
  [
    "expert choice of tokens by sequence",
    { ...EXPERT_CHOICE, expertChoiceUnit: "token", expertChoicePool: "sequence" },
    3,
    10,
  ],
  [
    "expert choice of segments by sequence",
    { ...EXPERT_CHOICE, expertChoicePool: "sequence", capacityFactor: 2 },
    3,
    11,
  ],
  ["expert choice with room to spare", { ...EXPERT_CHOICE, expertChoiceUnit: "token", capacityFactor: 3 }, 2, 5],
  ["expert choice of one token", { ...EXPERT_CHOICE, expertChoiceUnit: "token" }, 1, 1],
  ["expert choice of one segment", EXPERT_CHOICE, 1, 3],
  ["expert choice with one expert", { ...EXPERT_CHOICE, numExperts: 1 }, 2, 10],
  ["ReMoE", { ...REMOE, l1InitialCoef: 0.5 }, 2, 10],
  ["segments and tokens", { ...SEGMENT_AND_TOKEN, routerAuxLossCoef: 0.7 }, 2, 10],
  ["document pool", { ...DOCUMENT_POOL, routerAuxLossCoef: 0.7, routerZLossCoef: 0.3 }, 2, 10],
  ["token choice with losses", { ...TOKEN_CHOICE, routerAuxLossCoef: 0.7, routerZLossCoef: 0.3 }, 2, 10],
])("a pass of training and its objective equal the float64 reference: %s", (_, keys, batch, length) => {
  compareForward(tinyConfig(keys), batch, length, 17, "training");
});

test.each<Partial<ModelConfig>>([{}, EXPERT_CHOICE, SEGMENT_AND_TOKEN])(
  "prompt routing equals the float64 reference: %j",
  (keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 5);
    const tokens_BL = randomTokens(config, 3, 9, 6);
    const promptLength_B = [4, 9, 1];
    const expected = referenceForward(referenceParams(params), tokens_BL, config, { promptLength_B });
    const actual = compiledPromptForward(params, tokenTensor(tokens_BL), tf.tensor1d(promptLength_B, "int32"), config);
    expectClose(actual.logits_BLV, expected.logits_BLV, FORWARD);
    actual.routing.forEach((weights_B1E, y) => {
      expectClose(
        weights_B1E,
        expected.routing_BYNE.map((row) => row[y]),
        FORWARD,
      );
    });
  },
);

/** `params` with one number moved. */
function moved(params: ReferenceParams, name: string, index: number, by: number): ReferenceParams {
  const { shape, values } = params.get(name)!;
  const changed = Float64Array.from(values);
  changed[index] += by;
  return new Map(params).set(name, { shape, values: changed });
}

test.each<[string, Partial<ModelConfig>, number]>([
  ["Lory, last segment short", { segmentLength: 4 }, 10],
  ["Lory, segments divide", { numLayers: 1, segmentLength: 3 }, 9],
  ["Lory, one token a segment", { numLayers: 1, segmentLength: 1 }, 4],
  ["one segment", { numLayers: 1, segmentLength: 11 }, 11],
  ["dense", { numLayers: 1, numExperts: 0 }, 9],
  ["running mean", { numLayers: 1, routingMode: "running_mean", segmentLength: 3 }, 10],
  ["prefix", { numLayers: 1, routingMode: "prefix", segmentLength: 3 }, 10],
  ["own segment", { numLayers: 1, routingMode: "own_segment", segmentLength: 3 }, 10],
  ["whole sequence", { numLayers: 1, routingMode: "whole_sequence" }, 10],
  ["uniform first segment", { numLayers: 1, firstSegmentRule: "uniform" }, 10],
  ["learned prior", { numLayers: 1, firstSegmentRule: "learned_prior" }, 10],
  ["dense first segment", { numLayers: 1, firstSegmentRule: "dense_expert" }, 10],
  ["experts in one layer of two", { denseLayers: [0] }, 10],
  ["token choice", { ...TOKEN_CHOICE, numLayers: 1 }, 10],
  ["expert choice of segments", { ...EXPERT_CHOICE, numLayers: 1, segmentLength: 3 }, 11],
  ["ReMoE", { ...REMOE, l1InitialCoef: 0.5 }, 10],
  ["segments and tokens", { ...SEGMENT_AND_TOKEN, numLayers: 1, routerAuxLossCoef: 0.7 }, 10],
  ["segments and tokens by a prior", { ...SEGMENT_AND_TOKEN, numLayers: 1, firstSegmentRule: "learned_prior" }, 10],
  ["document pool", { ...DOCUMENT_POOL, numLayers: 1, routerZLossCoef: 0.3 }, 11],
  [
    "expert choice of segments by a prior",
    { ...EXPERT_CHOICE, numLayers: 1, segmentLength: 3, firstSegmentRule: "learned_prior" },
    11,
  ],
  ["expert choice of tokens", { ...EXPERT_CHOICE, expertChoiceUnit: "token", capacityFactor: 1.5 }, 10],
  ["token choice by shares of all", { ...TOKEN_CHOICE, numLayers: 1, normTopkProb: false }, 10],
  ["token choice, balanced over the batch", { ...TOKEN_CHOICE, routerAuxLossCoef: 0.7, routerZLossCoef: 0.3 }, 10],
  [
    "token choice, balanced by sequence",
    { ...TOKEN_CHOICE, routerAuxLossCoef: 0.7, loadBalancingScope: "sequence" },
    10,
  ],
  ["token choice with a bias", { ...TOKEN_CHOICE, numLayers: 1, routerBiasUpdateRate: 1e-3 }, 10],
])("gradients of every parameter equal central differences of the reference: %s", (_, keys, length) => {
  const config = tinyConfig(keys);
  const params = randomParams(config, 23);
  const tokens_BM = randomTokens(config, 2, length + 1, 24);
  const grads = lossGradients(params, tokenTensor(tokens_BM), config);

  const reference = referenceParams(params);
  // Selections and stopped weights are those of this point, wherever the loss is taken.
  const decisions: Decisions = new Map();
  referenceObjective(reference, tokens_BM, config, decisions);
  const loss = (at: ReferenceParams): number => referenceObjective(at, tokens_BM, config, decisions);
  const [step, draws] = [1e-5, new Draws(25)];
  for (const [name, grad] of grads) {
    const { shape, values } = reference.get(name)!;
    const slope = (index: number): number =>
      (loss(moved(reference, name, index, step)) - loss(moved(reference, name, index, -step))) / (2 * step);
    const indices = draws.many(5, () => draws.integer(values.length));
    // A row of the embedding whose token does not occur has no gradient: look at one that does.
    if (name === "embed_VD") indices.push(tokens_BM[0][0] * config.dModel);
    expect(grad.shape).toEqual(shape);
    try {
      expectClose(
        indices.map((index) => grad.values[index]),
        indices.map(slope),
        GRADIENT,
      );
    } catch (error) {
      throw new Error(`gradient of ${name}, entries ${indices.join(", ")}`, { cause: error });
    }
  }
});
