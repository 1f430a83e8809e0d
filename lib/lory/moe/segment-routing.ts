// Shapes: B batch, N segments, M segments that route, T tokens a segment, D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { firstSegmentWeights, type FirstSegmentParams, type FirstSegmentRule } from "./first-segment";
import { routePrompt } from "./prompt";
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
 * @param promptLength_B where given, a segment 1 that routes itself does so by those of its tokens that belong to a prompt of this length
 * @returns [B, N, E]
 * @throws Error if segments route themselves, and a prompt is given
 */
export function segmentWeights(
  params: SegmentRouterParams,
  x_BNTD: tf.Tensor4D,
  cut: Segmentation,
  mode: SegmentRoutingMode,
  rule: FirstSegmentRule,
  promptLength_B?: tf.Tensor1D,
): tf.Tensor3D {
  if (promptLength_B !== undefined) demandCausal(mode);
  return tf.tidy(() => {
    const [batch, , tokens, dModel] = x_BNTD.shape;
    const means_BND = segmentMeans(x_BNTD, cut);
    // Nothing follows the last segment: where others are routed by it, its mean is needed only if it is the only one.
    const before = Math.max(1, cut.count - 1);
    const leading = (count: number): tf.Tensor3D => tf.slice(means_BND, [0, 0, 0], [batch, count, dModel]);
    const probs = (repr: tf.Tensor): tf.Tensor3D => routerProbabilities(params.router_DE, repr) as tf.Tensor3D;
    const afterFirst = (probs_BME: tf.Tensor3D, firstRule: FirstSegmentRule): tf.Tensor3D => {
      const own_B1E =
        promptLength_B === undefined
          ? tf.slice(probs_BME, [0, 0, 0], [batch, 1, probs_BME.shape[2]])
          : ownOfPrompt(params.router_DE, x_BNTD, tf.minimum(promptLength_B, tf.scalar(tokens, "int32")));
      const first_B1E = firstSegmentWeights(firstRule, params, own_B1E);
      return cut.count === 1 ? first_B1E : tf.concat([first_B1E, probs_BME], 1);
    };
    switch (mode) {
      case "causal_segment":
        return afterFirst(probs(leading(before)), rule);
      case "running_mean":
        return afterFirst(probs(tf.matMul(averaging(batch, before), leading(before))), rule);
      case "prefix":
        return afterFirst(tf.tile(probs(leading(1)), [1, before, 1]), "own_stop_gradient");
      case "own_segment":
      case "whole_sequence":
        return probs(means_BND);
    }
  });
}

/** What segment 1 says of itself by the first `length_B` of its tokens. */
function ownOfPrompt(router_DE: tf.Tensor, x_BNTD: tf.Tensor4D, length_B: tf.Tensor1D): tf.Tensor3D {
  const [batch, , tokens, dModel] = x_BNTD.shape;
  const first_BTD: tf.Tensor3D = tf.reshape(tf.slice(x_BNTD, [0, 0, 0, 0], [batch, 1, tokens, dModel]), [
    batch,
    tokens,
    dModel,
  ]);
  return routePrompt(router_DE, first_BTD, length_B);
}

/** Whether a segment is routed by what comes before it, so that what is written in it does not change what was. */
export function routesBySegmentsBefore(mode: SegmentRoutingMode): boolean {
  return mode !== "own_segment" && mode !== "whole_sequence";
}

function demandCausal(mode: SegmentRoutingMode): void {
  if (routesBySegmentsBefore(mode)) return;
  throw new Error(
    `routingMode is "${mode}": a segment is routed by its own text, which is not there while it is written; let the prompt route`,
  );
}

/** [B, M, M]: row m takes the mean of the first m + 1 of M segments, which are all full. */
function averaging(batch: number, count: number): tf.Tensor3D {
  const rows = Array.from({ length: count }, (_, m) =>
    Array.from({ length: count }, (_, n) => (n <= m ? 1 / (m + 1) : 0)),
  );
  return tf.tile(tf.tensor3d([rows]), [batch, 1, 1]);
}
