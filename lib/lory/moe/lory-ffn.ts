// Shapes: B batch, L context, N segments, T tokens a segment, R = B N rows, D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { mergedFfn } from "../nn";
import { routeSegments } from "./causal-segment";
import { mergeExperts, type ExpertParams } from "./merge";
import { routePrompt } from "./prompt";
import { joinSegments, segmentation, splitSegments } from "./segments";

/** A Lory layer: a linear router [D, E] over a bank of experts. */
export type LoryFfnParams = ExpertParams & { router_DE: tf.Tensor };

/** Who decides for whom. */
export type Routing =
  /** Training and evaluation: each segment by the one before it. */
  | { mode: "causal_segment" }
  /** Inference: one decision a layer and row, by the mean of the row's own first `promptLength_B` tokens. */
  | { mode: "prompt"; promptLength_B: tf.Tensor1D };

/** The layer's output [B, L, D], and the routing weights that it used: [B, N, E], N = 1 for prompt routing. */
export type LoryFfnOutput = { y_BLD: tf.Tensor3D; weights_BNE: tf.Tensor3D };

/**
 * The merged FFN (Lory, section 3.1): routes, merges the experts once for each segment (or row), and applies the merged
 * network to all of its tokens.
 *
 * @param x_BLD the normed input: the router and the experts see the same tensor
 * @param segmentLength T; a last segment may be short, and a sequence shorter than T is one segment
 */
export function loryFfn(
  params: LoryFfnParams,
  x_BLD: tf.Tensor3D,
  segmentLength: number,
  routing: Routing,
): LoryFfnOutput {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    // Prompt routing is the case of one segment, the whole row, routed by a part of its tokens.
    const cut = segmentation(length, routing.mode === "prompt" ? length : segmentLength);
    const x_BNTD = splitSegments(x_BLD, cut);
    const weights_BNE =
      routing.mode === "prompt"
        ? routePrompt(params.router_DE, x_BLD, routing.promptLength_B)
        : routeSegments(params.router_DE, x_BNTD, cut);
    const rows = batch * cut.count;
    const merged = mergeExperts(params, tf.reshape(weights_BNE, [rows, -1]));
    const y_RTD = mergedFfn(merged, tf.reshape(x_BNTD, [rows, cut.length, dModel]));
    const y_BLD = joinSegments(tf.reshape(y_RTD, [batch, cut.count, cut.length, dModel]), length);
    return { y_BLD, weights_BNE };
  });
}
