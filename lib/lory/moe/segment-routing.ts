// Shapes: B batch, N segments, M segments that route, T tokens a segment, D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { firstSegmentWeights, type FirstSegmentParams, type FirstSegmentRule } from "./first-segment";
import { routerProbabilities } from "./router";
import { segmentMeans, type Segmentation } from "./segments";

/** How the routing weights of a layer's segments come about. */
export const SEGMENT_ROUTING_MODES = [
  /** Segment k by the mean of segment k - 1 (Lory, section 3.1, Algorithm 1). */
  "causal_segment",
  /** Segment k by the mean of all tokens before it. */
  "running_mean",
  /** Every segment by the mean of segment 1 (Lory, Fig. 3). */
  "prefix",
  /** Each segment by its own mean. It reads the future: for measuring how much that gives away. */
  "own_segment",
  /** All of a sequence by its own mean, one merge a sequence (SMEAR, Muqeeth et al. 2023). It reads the future. */
  "whole_sequence",
] as const;
export type SegmentRoutingMode = (typeof SEGMENT_ROUTING_MODES)[number];

export type SegmentRouterParams = FirstSegmentParams & { router_DE: tf.Tensor };

/**
 * The weights by which each segment's FFN is merged: each row sums to 1, but for segment 1 under the rule `dense_expert`,
 * which has no part in the experts and gets zeros.
 *
 * @param x_BNTD the FFN's normed input, cut into segments (one for `whole_sequence`)
 * @param rule what routes segment 1, for the modes that leave it open
 * @returns [B, N, E]
 */
export function segmentWeights(
  params: SegmentRouterParams,
  x_BNTD: tf.Tensor4D,
  cut: Segmentation,
  mode: SegmentRoutingMode,
  rule: FirstSegmentRule,
): tf.Tensor3D {
  return tf.tidy(() => {
    const [batch, , , dModel] = x_BNTD.shape;
    const means_BND = segmentMeans(x_BNTD, cut);
    // Nothing follows the last segment: where others are routed by it, its mean is needed only if it is the only one.
    const before = Math.max(1, cut.count - 1);
    const leading = (count: number): tf.Tensor3D => tf.slice(means_BND, [0, 0, 0], [batch, count, dModel]);
    const probs = (repr: tf.Tensor): tf.Tensor3D => routerProbabilities(params.router_DE, repr) as tf.Tensor3D;
    switch (mode) {
      case "causal_segment":
        return afterFirst(probs(leading(before)), cut, rule, params);
      case "running_mean":
        return afterFirst(probs(tf.matMul(averaging(batch, before), leading(before))), cut, rule, params);
      case "prefix": {
        const first_B1E = probs(leading(1));
        const rest_BME = tf.tile(first_B1E, [1, before, 1]);
        return afterFirst(rest_BME, cut, "own_stop_gradient", params);
      }
      case "own_segment":
      case "whole_sequence":
        return probs(means_BND);
    }
  });
}

/** What segment 1 uses, then what each segment but the last says, for the one after it. */
function afterFirst(
  probs_BME: tf.Tensor3D,
  cut: Segmentation,
  rule: FirstSegmentRule,
  params: FirstSegmentParams,
): tf.Tensor3D {
  const [batch, , numExperts] = probs_BME.shape;
  const own_B1E = tf.slice(probs_BME, [0, 0, 0], [batch, 1, numExperts]);
  const first_B1E = firstSegmentWeights(rule, params, own_B1E);
  return cut.count === 1 ? first_B1E : tf.concat([first_B1E, probs_BME], 1);
}

/** [B, M, M]: row m takes the mean of the first m + 1 of M segments, which are all full. */
function averaging(batch: number, count: number): tf.Tensor3D {
  const rows = Array.from({ length: count }, (_, m) =>
    Array.from({ length: count }, (_, n) => (n <= m ? 1 / (m + 1) : 0)),
  );
  return tf.tile(tf.tensor3d([rows]), [batch, 1, 1]);
}
