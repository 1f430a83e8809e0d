import { dispatchBlocks, type RoutingMode } from "../moe";
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
  const router = (dModel + vectors) * numExperts;
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
    active: embedding + attentionAndNorms + activeFfns(config) * ffn + routed * router + head,
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
} satisfies Record<RoutingMode, (config: ModelConfig) => number>;

/** Merges a sequence, in each mode; none where the router sees each token instead. */
const MERGES_OF_SEQUENCE = {
  causal_segment: segmentsOf,
  running_mean: segmentsOf,
  prefix: segmentsOf,
  own_segment: segmentsOf,
  whole_sequence: () => 1,
  token_choice: () => 0,
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
  const merges = MERGES_OF_SEQUENCE[routingMode](config);
  const attention = numLayers * (8 * dModel ** 2 + 2 * dModel * (contextLength + 1));
  const ffn = activeFfns(config) * 6 * dModel * dFfn;
  const routings = merges === 0 ? contextLength : merges;
  const perSequence = routings * 2 * dModel * numExperts + merges * 6 * numExperts * dModel * dFfn;
  const merge = (expertLayers(config).length * perSequence) / contextLength;
  const head = 2 * dModel * vocabSize;
  const forward = attention + ffn + merge + head;
  return { attention, ffn, merge, head, forward, training: 3 * forward };
}

/**
 * What this library computes of the layers' FFNs for a token in batches of so many full sequences, of which `flopsPerToken` counts what is used:
 * the difference are places that a dispatch of tokens leaves empty.
 */
export function computedFfnFlopsPerToken(config: ModelConfig, batchSize: number): number {
  const { contextLength, dModel, dFfn, numLayers, numExperts, numExpertsPerTok, routingMode } = config;
  const network = 6 * dModel * dFfn;
  const routed = expertLayers(config).length;
  const tokens = batchSize * contextLength;
  if (routingMode !== "token_choice" || routed === 0) return numLayers * network;
  const { blocks, blockLength } = dispatchBlocks(tokens * numExpertsPerTok, numExperts);
  return (numLayers - routed + (routed * blocks * blockLength) / tokens) * network;
}
