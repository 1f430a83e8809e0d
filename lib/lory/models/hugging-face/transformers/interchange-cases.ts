import type { ModelConfig } from "../../config";

/** The modes that an exported model is run in, by segments or token by token: keys on top of a tiny model's. */
export const ROUTED_MODELS: readonly Partial<ModelConfig>[] = [
  {},
  { firstSegmentRule: "uniform" },
  { firstSegmentRule: "learned_prior" },
  { firstSegmentRule: "dense_expert" },
  { numLayers: 3, expertLayerStep: 2 },
  { routingMode: "running_mean", segmentLength: 3 },
  { routingMode: "prefix", segmentLength: 3 },
  { routingMode: "own_segment" },
  { routingMode: "whole_sequence" },
  { routingMode: "token_choice" },
  { routingMode: "token_choice", numExpertsPerTok: 1, normTopkProb: false },
  { routingMode: "expert_choice", segmentLength: 3 },
  { routingMode: "remoe" },
  { routingMode: "document_pool", numExperts: 5, expertPoolSize: 3, segmentLength: 3 },
  {
    routingMode: "document_pool",
    expertPoolSize: 2,
    numExpertsPerTok: 1,
    normTopkProb: false,
    routerBiasUpdateRate: 1e-3,
  },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false },
  { routingMode: "segment_and_token", numExpertsPerTok: 1, segmentShare: 0.8, firstSegmentRule: "learned_prior" },
  { routingMode: "expert_choice", capacityFactor: 2, firstSegmentRule: "learned_prior" },
  { routingMode: "expert_choice", expertChoiceUnit: "token" },
  { routingMode: "token_choice", numExperts: 5, numExpertsPerTok: 3, routerBiasUpdateRate: 1e-3 },
];

/** Those that are routed by prompts, one merge for each row. */
export const PROMPTED_MODELS: readonly Partial<ModelConfig>[] = [
  {},
  { routingMode: "expert_choice" },
  { routingMode: "segment_and_token", numExpertsPerTok: 1 },
];

/** Two float32 computations of the same sums in other orders. */
export const CLOSE = { rtol: 1e-4, atol: 1e-5 };
