// Shapes: B batch, L context, N segments, E experts, D model, F ffn, G = 2 F packed gate and up, H hidden units of a part.
import * as tf from "@tensorflow/tfjs-core";
import type { RouterReport, StepLoad } from "./auxiliary";
import { loryFfn, type Routing } from "./lory-ffn";
import type { ExpertParams } from "./merge";
import type { RoutingConfig } from "./routing-config";
import type { SegmentRouterParams } from "./segment-routing";
import { joinSegments, repeatForTokens, segmentation } from "./segments";
import { tokenChoiceFfn, type SparseOutput, type TokenChoiceConfig, type TokenChoiceParams } from "./token-choice";

/** A bank with a router of segments, and one of tokens [D, E] beside it. */
export type SegmentAndTokenParams = ExpertParams &
  SegmentRouterParams & { tokenRouter_DE?: tf.Tensor; bias_E?: tf.Tensor };

/** Hidden units of each expert, of F, that are merged by segments: F times the share, rounded, but one at least in both parts. */
export function segmentWidth(segmentShare: number, dFfn: number): number {
  return Math.min(dFfn - 1, Math.max(1, Math.round(segmentShare * dFfn)));
}

/**
 * Both kinds of routing in one layer: the first `segmentWidth` hidden units of every expert are merged for each segment, as in Lory; of the others each token
 * passes those of the one expert that it chooses, and the outputs are added up. The bank is that of the other modes, and a token passes F hidden units, as in the
 * dense model: those of the merge and those of its own expert.
 *
 * The routing weights are the mean of both kinds by hidden units.
 *
 * @param routing of the segments
 * @throws Error if the router of tokens is missing
 */
export function segmentAndTokenFfn(
  params: SegmentAndTokenParams,
  x_BLD: tf.Tensor3D,
  config: TokenChoiceConfig & Pick<RoutingConfig, "segmentLength" | "segmentShare">,
  routing: Routing,
  stepLoad?: StepLoad,
): SparseOutput & { report: RouterReport } {
  return tf.tidy(() => {
    const length = x_BLD.shape[1];
    const { ofSegments, ofTokens } = segmentAndTokenParts(params, config);
    const bySegment = loryFfn(ofSegments, x_BLD, config.segmentLength, routing);
    const byToken = tokenChoiceFfn(ofTokens, x_BLD, config, { stepLoad });
    const cut = segmentation(length, routing.mode === "prompt" ? length : config.segmentLength);
    const segments_BLE = joinSegments(repeatForTokens(bySegment.weights_BNE, cut), length);
    const share = ofSegments.down_EFD.shape[1]! / params.down_EFD.shape[1]!;
    return {
      y_BLD: tf.add(bySegment.y_BLD, byToken.y_BLD),
      weights_BNE: tf.add(tf.mul(segments_BLE, share), tf.mul(byToken.weights_BNE, 1 - share)),
      report: byToken.report,
    };
  });
}

/**
 * The part of the bank that segments merge, with their router, and the part that tokens choose from, with theirs.
 *
 * @throws Error if the router of tokens is missing
 */
export function segmentAndTokenParts(
  params: SegmentAndTokenParams,
  { segmentShare }: Pick<RoutingConfig, "segmentShare">,
): { ofSegments: ExpertParams & SegmentRouterParams; ofTokens: TokenChoiceParams } {
  const { router_DE, prior_E, tokenRouter_DE, bias_E } = params;
  if (tokenRouter_DE === undefined)
    throw new Error('routingMode "segment_and_token" needs the parameter tokenRouter_DE');
  const dFfn = params.down_EFD.shape[1]!;
  const merged = segmentWidth(segmentShare, dFfn);
  const bias = bias_E === undefined ? {} : { bias_E };
  return {
    ofSegments: { ...hiddenUnits(params, 0, merged), router_DE, prior_E },
    ofTokens: { ...hiddenUnits(params, merged, dFfn), router_DE: tokenRouter_DE, ...bias },
  };
}

/** The hidden units `from` to `to - 1` of every expert, [E, D, 2 H] and [E, H, D]. */
function hiddenUnits({ gateUp_EDG, down_EFD }: ExpertParams, from: number, to: number): ExpertParams {
  const dFfn = down_EFD.shape[1]!;
  const columns = (start: number): tf.Tensor => tf.slice(gateUp_EDG, [0, 0, start], [-1, -1, to - from]);
  return {
    gateUp_EDG: tf.concat([columns(from), columns(dFfn + from)], 2),
    down_EFD: tf.slice(down_EFD, [0, from, 0], [-1, to - from, -1]),
  };
}
