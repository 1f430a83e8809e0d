// Shapes: B batch, D model, F ffn, G = 2 F packed gate and up, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { stopGradient } from "../nn";

/** What routes segment 1, before which there is nothing. */
export const FIRST_SEGMENT_RULES = [
  /** Its own mean, without gradient (Lory, Algorithm 1). The segment's tokens read what follows them. */
  "own_stop_gradient",
  /** Nothing: every expert counts alike. Strictly causal, as are the rules below. */
  "uniform",
  /** A trained vector of scores, the same for every text. */
  "learned_prior",
  /** No router: an FFN of its own. */
  "dense_expert",
] as const;
export type FirstSegmentRule = (typeof FIRST_SEGMENT_RULES)[number];

/** Weights that some rules need beside the experts. */
export type FirstSegmentParams = {
  /** `learned_prior`: scores of the experts, [E]. */
  prior_E?: tf.Tensor;
  /** `dense_expert`: segment 1's FFN, [D, 2 F]. */
  firstGateUp_DG?: tf.Tensor;
  /** `dense_expert`: segment 1's FFN, [F, D]. */
  firstDown_FD?: tf.Tensor;
};

/**
 * Segment 1's routing weights, [B, 1, E].
 *
 * @param own_B1E what segment 1's own mean says
 * @throws Error if the rule's parameters are missing
 */
export function firstSegmentWeights(
  rule: FirstSegmentRule,
  params: FirstSegmentParams,
  own_B1E: tf.Tensor3D,
): tf.Tensor3D {
  switch (rule) {
    case "own_stop_gradient":
      return stopGradient(own_B1E);
    case "uniform":
      return tf.fill(own_B1E.shape, 1 / own_B1E.shape[2]);
    case "learned_prior": {
      if (params.prior_E === undefined) throw new Error('firstSegmentRule "learned_prior" needs the parameter prior_E');
      const [batch, , numExperts] = own_B1E.shape;
      return tf.tile(tf.reshape(tf.softmax(params.prior_E), [1, 1, numExperts]), [batch, 1, 1]);
    }
    case "dense_expert":
      // No expert of the bank has a part in it.
      return tf.zeros(own_B1E.shape);
  }
}
