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
  /** What a token passes: the total with one merged FFN in place of each bank of experts. */
  readonly active: number;
}

/** Counts a model's parameters. */
export function countParameters(config: ModelConfig): ParameterCount {
  const { vocabSize, dModel, dFfn, numLayers, numExperts, firstSegmentRule } = config;
  const ffn = 3 * dModel * dFfn;
  const routed = expertLayers(config).length;
  const router = dModel * numExperts + (firstSegmentRule === "learned_prior" ? numExperts : 0);
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
    active: embedding + attentionAndNorms + numLayers * ffn + routed * router + head,
  };
}

/** Floating-point operations of one token, a multiply-add counted as two. */
export interface FlopsPerToken {
  /** Projections (8 d^2), scores and weighted sums over the (L + 1) / 2 keys that a token sees on average. */
  readonly attention: number;
  /** One SwiGLU network: 6 d d'. */
  readonly ffn: number;
  /** Router and merge, a merge's share: N / L (2 d E + 6 E d d') with N merges a sequence; E / T of the FFN (Lory, appendix B). */
  readonly merge: number;
  /** Output matrix: 2 d V. */
  readonly head: number;
  /** All of the forward pass. */
  readonly forward: number;
  /** Forward and backward: three times the forward pass, since each product has two in its gradient. */
  readonly training: number;
}

/**
 * The matrix products of one token in sequences of the full context, over all layers. Norms, softmax and other elementwise
 * work are not counted, nor what the mask throws away, nor the embedding's gather.
 */
export function flopsPerToken(config: ModelConfig): FlopsPerToken {
  const { vocabSize, contextLength, dModel, dFfn, numLayers, numExperts, segmentLength } = config;
  const merges = config.routingMode === "whole_sequence" ? 1 : Math.ceil(contextLength / segmentLength);
  const attention = numLayers * (8 * dModel ** 2 + 2 * dModel * (contextLength + 1));
  const ffn = numLayers * 6 * dModel * dFfn;
  const perMerge = 2 * dModel * numExperts + 6 * numExperts * dModel * dFfn;
  const merge = (expertLayers(config).length * merges * perMerge) / contextLength;
  const head = 2 * dModel * vocabSize;
  const forward = attention + ffn + merge + head;
  return { attention, ffn, merge, head, forward, training: 3 * forward };
}
