// Shapes: B batch, L context, N segments, T tokens a segment, R rows (segments or sequences), D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { checkpoint } from "tfjs-backend-xla";
import { denseFfn, mergedFfn } from "../nn";
import { dropExperts } from "./expert-dropout";
import type { FirstSegmentRule } from "./first-segment";
import { mergeExperts, type ExpertParams, type MergeMemory } from "./merge";
import { keptWeights, type KeptExperts } from "./kept-experts";
import { routePrompt } from "./prompt";
import { segmentWeights, type SegmentRouterParams, type SegmentRoutingMode } from "./segment-routing";
import { joinSegments, segmentation, splitSegments } from "./segments";

/** A Lory layer: a linear router [D, E] over a bank of experts, and what the rule for segment 1 needs. */
export type LoryFfnParams = ExpertParams & SegmentRouterParams;

/** `whole_sequence` in training: which experts of each row are left out of the merge, see `dropExperts`. */
export type ExpertDropout = { uniform_BE: tf.Tensor2D; probability: number };

/** Who decides for whom. */
export type Routing =
  /** Training and evaluation: by segments of the sequence. */
  | {
      mode: SegmentRoutingMode;
      firstSegmentRule: FirstSegmentRule;
      dropout?: ExpertDropout;
      merges?: MergeMemory;
      /** Where text is written: see `segmentWeights`. */
      promptLength_B?: tf.Tensor1D;
    }
  /** Inference: one decision a layer and row, by the mean of the row's own first `promptLength_B` tokens; of the experts those that are kept. */
  | { mode: "prompt"; promptLength_B: tf.Tensor1D; keep?: KeptExperts };

/** The layer's output [B, L, D], and the routing weights that it used: [B, N, E], N = 1 where a sequence is merged once. */
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
    const length = x_BLD.shape[1];
    // Where a sequence is merged once, it is one segment.
    const isWhole = routing.mode === "prompt" || routing.mode === "whole_sequence";
    const cut = segmentation(length, isWhole ? length : segmentLength);
    const x_BNTD = splitSegments(x_BLD, cut);
    const weights_BNE =
      routing.mode === "prompt"
        ? keptWeights(routePrompt(params.router_DE, x_BLD, routing.promptLength_B), routing.keep)
        : dropped(
            segmentWeights(params, x_BNTD, cut, routing.mode, routing.firstSegmentRule, routing.promptLength_B),
            routing.dropout,
          );
    const merges = routing.mode === "prompt" ? undefined : routing.merges;
    const { firstGateUp_DG, firstDown_FD } = params;
    if (routing.mode === "prompt" || firstGateUp_DG === undefined || firstDown_FD === undefined) {
      return { y_BLD: joinSegments(mergedSegments(params, weights_BNE, x_BNTD, merges), length), weights_BNE };
    }
    const segments = (tensor: tf.Tensor, from: number, count: number): tf.Tensor =>
      tf.slice(tensor, [0, from], [-1, count]);
    const first_B1TD = denseFfn({ gateUp_DG: firstGateUp_DG, down_FD: firstDown_FD }, segments(x_BNTD, 0, 1));
    if (cut.count === 1) return { y_BLD: joinSegments(first_B1TD as tf.Tensor4D, length), weights_BNE };
    const after = cut.count - 1;
    const [weights_BME, x_BMTD] = [segments(weights_BNE, 1, after), segments(x_BNTD, 1, after)];
    const rest_BMTD = mergedSegments(params, weights_BME as tf.Tensor3D, x_BMTD as tf.Tensor4D, merges);
    return { y_BLD: joinSegments(tf.concat([first_B1TD as tf.Tensor4D, rest_BMTD], 1), length), weights_BNE };
  });
}

function dropped(weights_BNE: tf.Tensor3D, dropout: ExpertDropout | undefined): tf.Tensor3D {
  return dropout === undefined ? weights_BNE : dropExperts(weights_BNE, dropout.uniform_BE, dropout.probability);
}

/** Each segment's tokens through the merge that its weights make, [B, N, T, D]. */
function mergedSegments(
  experts: ExpertParams,
  weights_BNE: tf.Tensor3D,
  x_BNTD: tf.Tensor4D,
  merges: MergeMemory = "keep",
): tf.Tensor4D {
  const [batch, count, tokens, dModel] = x_BNTD.shape;
  const rows = batch * count;
  const apply = (weights_RE: tf.Tensor2D, x_RTD: tf.Tensor3D): tf.Tensor3D =>
    mergedFfn(mergeExperts(experts, weights_RE), x_RTD);
  const applyOnce = merges === "recompute" ? checkpoint(apply, { name: "merged experts" }) : apply;
  const y_RTD = applyOnce(tf.reshape(weights_BNE, [rows, -1]), tf.reshape(x_BNTD, [rows, tokens, dModel]));
  return tf.reshape(y_RTD, [batch, count, tokens, dModel]);
}
