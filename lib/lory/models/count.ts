import { dispatchBlocks, expertCapacity, mergesExperts, segmentation, segmentWidth, type RoutingMode } from "../moe";
import type { ModelConfig } from "./config";
import { expertLayers } from "./expert-layers";

/** Numbers of parameters. */
export interface ParameterCount {
  /** embedding + blocks + head. */
  readonly total: number;
  readonly embedding: number;
  /** The output matrix, which is not tied to the embedding, and the norm before it. */
  readonly head: number;
  /** All layers: attention, norms, FFNs or experts and routers. */
  readonly blocks: number;
  /** What a token passes: the total with one merged FFN, or a token's own experts, in place of each bank. */
  readonly active: number;
}

/** Counts a model's parameters. */
export function countParameters(config: ModelConfig): ParameterCount {
  const { vocabSize, dModel, dFfn, numLayers, numExperts, firstSegmentRule, routerBiasUpdateRate } = config;
  const ffn = 3 * dModel * dFfn;
  const routed = expertLayers(config).length;
  const vectors = (firstSegmentRule === "learned_prior" ? 1 : 0) + (routerBiasUpdateRate > 0 ? 1 : 0);
  const routers = config.routingMode === "segment_and_token" ? 2 : 1;
  const router = (routers * dModel + vectors) * numExperts;
  const ffnsOfBank = numExperts + (firstSegmentRule === "dense_expert" ? 1 : 0);
  const attentionAndNorms = numLayers * (4 * dModel ** 2 + 2 * dModel);
  const embedding = vocabSize * dModel;
  const head = vocabSize * dModel + dModel;
  const blocks = attentionAndNorms + (numLayers - routed) * ffn + routed * (router + ffnsOfBank * ffn);
  return {
    total: embedding + blocks + head,
    embedding,
    head,
    blocks,
    active: Math.round(embedding + attentionAndNorms + activeFfns(config) * ffn + routed * router + head),
  };
}

/** How many FFNs' work a token's own experts are, in each mode. */
const FFNS_OF_TOKEN = {
  causal_segment: () => 1,
  running_mean: () => 1,
  prefix: () => 1,
  own_segment: () => 1,
  whole_sequence: () => 1,
  token_choice: ({ numExpertsPerTok }) => numExpertsPerTok,
  // On average, in training.
  expert_choice: ({ capacityFactor }) => capacityFactor,
  // What the penalty drives their mean number to.
  remoe: ({ numExpertsPerTok }) => numExpertsPerTok,
  // The hidden units of the merge, and the others of one expert.
  segment_and_token: () => 1,
  document_pool: ({ numExpertsPerTok }) => numExpertsPerTok,
} satisfies Record<RoutingMode, (config: ModelConfig) => number>;

/** How often the router is applied in a sequence, in each mode. */
const ROUTINGS_OF_SEQUENCE = {
  causal_segment: segmentsOf,
  running_mean: segmentsOf,
  prefix: segmentsOf,
  own_segment: segmentsOf,
  whole_sequence: () => 1,
  token_choice: ({ contextLength }) => contextLength,
  expert_choice: (config) => (config.expertChoiceUnit === "token" ? config.contextLength : segmentsOf(config)),
  remoe: ({ contextLength }) => contextLength,
  segment_and_token: (config) => segmentsOf(config) + config.contextLength,
  document_pool: ({ contextLength }) => contextLength,
} satisfies Record<RoutingMode, (config: ModelConfig) => number>;

function segmentsOf({ contextLength, segmentLength }: ModelConfig): number {
  return Math.ceil(contextLength / segmentLength);
}

/** FFNs that a token passes, over all layers. */
function activeFfns(config: ModelConfig): number {
  const routed = expertLayers(config).length;
  return config.numLayers - routed + routed * FFNS_OF_TOKEN[config.routingMode](config);
}

/** Floating-point operations of one token, a multiply-add counted as two. */
export interface FlopsPerToken {
  /** Projections (8 d^2), scores and weighted sums over the (L + 1) / 2 keys that a token sees on average. */
  readonly attention: number;
  /** A SwiGLU network, 6 d d', or as many as a token has experts of its own. */
  readonly ffn: number;
  /**
   * Router and merge, a merge's share: N / L (2 d E + 6 E d d') with N merges a sequence; E / T of the FFN (Lory, appendix B). Where tokens are routed
   * one by one, the router alone: 2 d E.
   */
  readonly merge: number;
  /** Output matrix: 2 d V. */
  readonly head: number;
  /** All of the forward pass. */
  readonly forward: number;
  /** Forward and backward: three times the forward pass, since each product has two in its gradient. */
  readonly training: number;
}

/**
 * The matrix products that one token needs, in sequences of the full context, over all layers. Norms, softmax and other elementwise
 * work are not counted, nor what the mask throws away, nor the embedding's gather, nor what is computed and not used
 * (`computedFfnFlopsPerToken`).
 */
export function flopsPerToken(config: ModelConfig): FlopsPerToken {
  const { vocabSize, contextLength, dModel, dFfn, numLayers, numExperts, routingMode } = config;
  const routings = ROUTINGS_OF_SEQUENCE[routingMode](config);
  const attention = numLayers * (8 * dModel ** 2 + 2 * dModel * (contextLength + 1));
  const ffn = activeFfns(config) * 6 * dModel * dFfn;
  const merges = mergesExperts(routingMode) ? routings : routingMode === "segment_and_token" ? segmentsOf(config) : 0;
  const mergedWidth = routingMode === "segment_and_token" ? segmentWidth(config.segmentShare, dFfn) : dFfn;
  const perSequence = routings * 2 * dModel * numExperts + merges * 6 * numExperts * dModel * mergedWidth;
  const merge = (expertLayers(config).length * perSequence) / contextLength;
  const head = 2 * dModel * vocabSize;
  const forward = attention + ffn + merge + head;
  return { attention, ffn, merge, head, forward, training: 3 * forward };
}

/**
 * What this library computes of the layers' FFNs for a token in batches of so many full sequences, of which `flopsPerToken` counts what is used:
 * the difference are places that a dispatch of tokens leaves empty, the filling of a short last segment, and units that no expert takes.
 */
export function computedFfnFlopsPerToken(config: ModelConfig, batchSize: number): number {
  const { contextLength, dModel, dFfn, numLayers, routingMode } = config;
  const network = 6 * dModel * dFfn;
  const routed = expertLayers(config).length;
  const tokens = batchSize * contextLength;
  const places = routed === 0 ? 0 : PLACES[routingMode](config, batchSize);
  return (numLayers - routed + (routed * places) / tokens) * network;
}

/** Tokens that a batch's experts compute, in each mode of training. */
const PLACES = {
  causal_segment: mergedPlaces,
  running_mean: mergedPlaces,
  prefix: mergedPlaces,
  own_segment: mergedPlaces,
  whole_sequence: ({ contextLength }, batchSize) => batchSize * contextLength,
  token_choice: dispatchedPlaces,
  document_pool: dispatchedPlaces,
  // Every expert for every token.
  remoe: ({ contextLength, numExperts }, batchSize) => batchSize * contextLength * numExperts,
  segment_and_token: (config, batchSize) => {
    const share = segmentWidth(config.segmentShare, config.dFfn) / config.dFfn;
    return share * mergedPlaces(config, batchSize) + (1 - share) * dispatchedPlaces(config, batchSize);
  },
  expert_choice: (config, batchSize) => {
    const { contextLength, expertChoiceUnit, expertChoicePool, capacityFactor, numExperts } = config;
    const { count, length } = segmentation(contextLength, expertChoiceUnit === "token" ? 1 : config.segmentLength);
    const pools = expertChoicePool === "sequence" ? batchSize : 1;
    return pools * numExperts * length * expertCapacity(capacityFactor, (batchSize * count) / pools, numExperts);
  },
} satisfies Record<RoutingMode, (config: ModelConfig, batchSize: number) => number>;

function dispatchedPlaces({ contextLength, numExpertsPerTok, numExperts }: ModelConfig, batchSize: number): number {
  const { blocks, blockLength } = dispatchBlocks(batchSize * contextLength * numExpertsPerTok, numExperts);
  return blocks * blockLength;
}

/** A short last segment is computed like a full one. */
function mergedPlaces({ contextLength, segmentLength }: ModelConfig, batchSize: number): number {
  const { count, length } = segmentation(contextLength, segmentLength);
  return batchSize * count * length;
}
