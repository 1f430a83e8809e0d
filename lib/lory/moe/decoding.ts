// Shapes: B rows, L prompt, N segments, T tokens a segment, D model, E experts, Q = D or E, what is added up.
import * as tf from "@tensorflow/tfjs-core";
import { dynamicSlice, dynamicUpdateSlice, precision } from "tfjs-backend-xla";
import { denseFfn, mergedFfn, type DenseFfnParams, type MergedFfnParams } from "../nn";
import { loweringOutsidePool } from "./document-pool";
import { chosenExperts, inferenceChoices } from "./expert-choice";
import { expertFfn, type ExpertFfnParams, type Pass } from "./expert-ffn";
import { keptWeights } from "./kept-experts";
import { mergeExperts, type ExpertParams } from "./merge";
import { routePrompt } from "./prompt";
import { routerProbabilities } from "./router";
import { mergesExperts, routesPrompts, type RoutingConfig } from "./routing-config";
import { segmentAndTokenParts } from "./segment-and-token";
import { segmentWeights, type SegmentRoutingMode } from "./segment-routing";
import { segmentation, splitSegments, type Segmentation } from "./segments";
import { tokenChoiceFfn, type TokenChoiceParams } from "./token-choice";

/** What the new tokens of a text are routed by. */
export type DecodingPass = Extract<Pass, { promptLength_B: tf.Tensor1D }>;

/** What a layer's routing has made for the tokens of a segment, or of all the text; nothing where each token routes itself. */
export type RoutedExperts = {
  /** A network for each row. */
  network?: MergedFfnParams;
  /** What tokens choose from beside it. */
  tokens?: ExpertParams;
  /** Added to the logits of each row's tokens: keeps them from the experts outside of its pool. */
  lowering_BE?: tf.Tensor2D;
};

/** A layer of experts as new tokens pass it. */
export type TokenFfn =
  | DenseFfnParams
  | ExpertFfnParams
  | { network: MergedFfnParams; tokens?: TokenChoiceParams }
  | { pool: TokenChoiceParams; lowering_BE: tf.Tensor2D };

/** The layer's part of `RoutedExperts` put in the place of its bank, or the bank with it. */
export function tokenFfn(params: ExpertFfnParams, routed: RoutedExperts): TokenFfn {
  const { network, tokens, lowering_BE } = routed;
  if (network !== undefined && tokens !== undefined) {
    return { network, tokens: { ...tokens, router_DE: params.tokenRouter_DE!, bias_E: params.bias_E } };
  }
  if (network !== undefined) return { network };
  return lowering_BE === undefined ? params : { pool: params, lowering_BE };
}

/**
 * A layer's pass over prompts, and what the tokens after them need: what routes them, and the sums that the next segment will be routed by, where one
 * will be.
 *
 * @param x_BLD the normed input; what lies behind a row's prompt has no effect
 */
export function prefillExperts(
  params: ExpertFfnParams,
  x_BLD: tf.Tensor3D,
  config: RoutingConfig,
  pass: DecodingPass,
): { y_BLD: tf.Tensor3D; routed: RoutedExperts; sum_BQ?: tf.Tensor2D } {
  return tf.tidy(() => {
    if (!routesPrompts(config)) return prefillTokens(params, x_BLD, config, pass);
    const { y_BLD } = expertFfn(params, x_BLD, config, pass);
    const router = segmentRouter(params, config);
    if (pass.kind === "prompt") {
      const weights_B1E = keptWeights(routePrompt(router.router_DE, x_BLD, pass.promptLength_B), pass.keep);
      const routed = networkOf(params, tf.reshape(weights_B1E, [x_BLD.shape[0], -1]), config);
      return { y_BLD, routed };
    }
    const { promptLength_B } = pass;
    const cut = segmentation(x_BLD.shape[1], config.segmentLength);
    const weights_BNE = segmentWeights(
      router,
      splitSegments(x_BLD, cut),
      cut,
      segmentMode(config),
      config.firstSegmentRule,
      promptLength_B,
    );
    const segment_B = lastSegment(promptLength_B, config);
    const weights_BE = tf.sum<tf.Tensor2D>(tf.mul(weights_BNE, oneHot(segment_B, cut)), 1);
    const routed = networkOf(params, weights_BE, config);
    if (config.firstSegmentRule === "dense_expert") {
      routed.network = whereFirst(segment_B, params, routed.network);
    }
    const from_B = sumsAllSegments(config) ? tf.zerosLike(segment_B) : segmentStart(segment_B, config);
    return { y_BLD, routed, sum_BQ: sumBetween(x_BLD, from_B, promptLength_B) };
  });
}

/** Modes whose tokens route themselves: of them the pools alone hang on the text before. */
function prefillTokens(
  params: ExpertFfnParams,
  x_BLD: tf.Tensor3D,
  config: RoutingConfig,
  { promptLength_B }: DecodingPass,
): ReturnType<typeof prefillExperts> {
  const { y_BLD } = expertFfn(params, x_BLD, config, { kind: "evaluation" });
  if (config.routingMode !== "document_pool") return { y_BLD, routed: {} };
  const probs_BLE = routerProbabilities(params.router_DE, x_BLD) as tf.Tensor3D;
  const segment_B = lastSegment(promptLength_B, config);
  const none_B = tf.zerosLike(segment_B);
  const before_BE = sumBetween(probs_BLE, none_B, segmentStart(segment_B, config));
  const isAfterFirst_B1 = tf.cast(tf.greater(tf.expandDims(segment_B, 1), tf.scalar(0, "int32")), "float32");
  const lowering_BE = tf.mul<tf.Tensor2D>(loweringOutsidePool(before_BE, config.expertPoolSize), isAfterFirst_B1);
  return { y_BLD, routed: { lowering_BE }, sum_BQ: sumBetween(probs_BLE, none_B, promptLength_B) };
}

/**
 * One new token of each row through a layer of experts.
 *
 * @param x_B1D the normed input, [B, 1, D]
 * @param sum_BQ what the next segment will be routed by, where one will be
 */
export function decodeExperts(
  ffn: TokenFfn,
  x_B1D: tf.Tensor3D,
  sum_BQ: tf.Tensor2D | undefined,
  config: RoutingConfig,
): { y_B1D: tf.Tensor3D; sum_BQ?: tf.Tensor2D } {
  return tf.tidy(() => {
    const added = (seen_B1Q: tf.Tensor): { sum_BQ?: tf.Tensor2D } =>
      sum_BQ === undefined ? {} : { sum_BQ: tf.add<tf.Tensor2D>(sum_BQ, tf.reshape(seen_B1Q, sum_BQ.shape)) };
    if ("gateUp_DG" in ffn) return { y_B1D: denseFfn(ffn, x_B1D) as tf.Tensor3D };
    if ("pool" in ffn) {
      const { y_BLD } = tokenChoiceFfn(ffn.pool, x_B1D, config, { lowering_XE: ffn.lowering_BE });
      return { y_B1D: y_BLD, ...added(routerProbabilities(ffn.pool.router_DE, x_B1D)) };
    }
    if ("network" in ffn) {
      const y_B1D = throughRows(ffn.network, x_B1D);
      const own = ffn.tokens === undefined ? undefined : tokenChoiceFfn(ffn.tokens, x_B1D, config).y_BLD;
      return { y_B1D: own === undefined ? y_B1D : tf.add<tf.Tensor3D>(y_B1D, own), ...added(x_B1D) };
    }
    return { y_B1D: expertFfn(ffn, x_B1D, config, { kind: "evaluation" }).y_BLD };
  });
}

/**
 * What routes a row's next segment, when the one before it is complete: its network, or its pool, and the sums from there on.
 *
 * @param row int32, the row
 * @param tokens float32, tokens of the row so far
 */
export function routeNextSegment(
  params: ExpertFfnParams,
  routed: RoutedExperts,
  sum_BQ: tf.Tensor2D,
  row: tf.Scalar,
  tokens: tf.Scalar,
  config: RoutingConfig,
): { routed: RoutedExperts; sum_BQ: tf.Tensor2D } {
  return tf.tidy(() => {
    const own_1Q = dynamicSlice(sum_BQ, [row, 0], [1, sum_BQ.shape[1]]);
    const { network, lowering_BE } = routed;
    if (lowering_BE !== undefined) {
      const lowering_1E = loweringOutsidePool(own_1Q, config.expertPoolSize);
      return { routed: { lowering_BE: dynamicUpdateSlice(lowering_BE, lowering_1E, [row, 0]) }, sum_BQ };
    }
    if (network === undefined) return { routed, sum_BQ };
    const isRunning = sumsAllSegments(config);
    const mean_1D = tf.div(own_1Q, isRunning ? tokens : config.segmentLength);
    const { router_DE } = segmentRouter(params, config);
    const next = networkOf(params, routerProbabilities(router_DE, mean_1D) as tf.Tensor2D, config);
    const inRow = (all: tf.Tensor, own: tf.Tensor): tf.Tensor => dynamicUpdateSlice(all, own, [row, 0, 0]);
    return {
      routed: {
        ...routed,
        network: {
          gateUp_RDG: inRow(network.gateUp_RDG, next.network.gateUp_RDG),
          down_RFD: inRow(network.down_RFD, next.network.down_RFD),
        },
      },
      sum_BQ: isRunning ? sum_BQ : dynamicUpdateSlice(sum_BQ, tf.fill(own_1Q.shape, 0), [row, 0]),
    };
  });
}

/** Whether a segment is routed by all text before it, and not by the segment before it alone. */
const sumsAllSegments = ({ routingMode }: RoutingConfig): boolean => routingMode === "running_mean";

/** How segments are routed in a mode whose experts are merged, or chosen, by segments. */
const segmentMode = ({ routingMode }: RoutingConfig): SegmentRoutingMode =>
  mergesExperts(routingMode) ? routingMode : "causal_segment";

const segmentRouter = (params: ExpertFfnParams, config: RoutingConfig): ExpertFfnParams =>
  config.routingMode === "segment_and_token" ? segmentAndTokenParts(params, config).ofSegments : params;

/** The network that routing weights [B, E] make of a bank, and what tokens choose from beside it. */
function networkOf(
  params: ExpertFfnParams,
  weights_BE: tf.Tensor2D,
  config: RoutingConfig,
): { network: MergedFfnParams; tokens?: ExpertParams } {
  if (config.routingMode === "expert_choice") {
    const choices = inferenceChoices(config.capacityFactor, weights_BE.shape[1]);
    return { network: chosenExperts(params, weights_BE, choices) };
  }
  if (config.routingMode !== "segment_and_token") return { network: mergeExperts(params, weights_BE) };
  const { ofSegments, ofTokens } = segmentAndTokenParts(params, config);
  const { gateUp_EDG, down_EFD } = ofTokens;
  return { network: mergeExperts(ofSegments, weights_BE), tokens: { gateUp_EDG, down_EFD } };
}

/** Each row through its own network; one row alone as through a dense model's. */
function throughRows({ gateUp_RDG, down_RFD }: MergedFfnParams, x_B1D: tf.Tensor3D): tf.Tensor3D {
  if (gateUp_RDG.shape[0] > 1) return mergedFfn({ gateUp_RDG, down_RFD }, x_B1D);
  const only = (bank: tf.Tensor): tf.Tensor => tf.reshape(bank, bank.shape.slice(1));
  return denseFfn({ gateUp_DG: only(gateUp_RDG), down_FD: only(down_RFD) }, x_B1D) as tf.Tensor3D;
}

/** The first segment's own network for the rows that stand in it. */
function whereFirst(
  segment_B: tf.Tensor1D,
  { firstGateUp_DG, firstDown_FD }: ExpertFfnParams,
  { gateUp_RDG, down_RFD }: MergedFfnParams,
): MergedFfnParams {
  const isFirst_B11 = tf.equal(tf.reshape(segment_B, [-1, 1, 1]), tf.scalar(0, "int32"));
  const chosen = (first: tf.Tensor, merged: tf.Tensor): tf.Tensor =>
    tf.where(isFirst_B11, tf.tile(tf.expandDims(first, 0), [merged.shape[0], 1, 1]), merged);
  return { gateUp_RDG: chosen(firstGateUp_DG!, gateUp_RDG), down_RFD: chosen(firstDown_FD!, down_RFD) };
}

/** The segment of each row's last token, counted from 0, int32. */
function lastSegment(promptLength_B: tf.Tensor1D, { segmentLength }: RoutingConfig): tf.Tensor1D {
  const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
  return tf.cast(tf.floorDiv<tf.Tensor1D>(tf.sub(promptLength_B, int(1)), int(segmentLength)), "int32");
}

const segmentStart = (segment_B: tf.Tensor1D, { segmentLength }: RoutingConfig): tf.Tensor1D =>
  tf.mul(segment_B, tf.scalar(segmentLength, "int32"));

/** [B, N, 1] */
function oneHot(segment_B: tf.Tensor1D, { count }: Segmentation): tf.Tensor3D {
  const segments_1N = tf.reshape(tf.range(0, count, 1, "int32"), [1, count]);
  return tf.expandDims(tf.cast(tf.equal(tf.expandDims(segment_B, 1), segments_1N), "float32"), 2);
}

/** The sum of each row's values from one position up to another, [B, L, Q] to [B, Q]. */
function sumBetween(x_BLQ: tf.Tensor3D, from_B: tf.Tensor1D, to_B: tf.Tensor1D): tf.Tensor2D {
  const [batch, length, width] = x_BLQ.shape;
  const positions_1L = tf.reshape(tf.range(0, length, 1, "int32"), [1, length]);
  const isIn_BL = tf.logicalAnd(
    tf.greaterEqual(positions_1L, tf.expandDims(from_B, 1)),
    tf.less(positions_1L, tf.expandDims(to_B, 1)),
  );
  const isIn_B1L: tf.Tensor3D = tf.reshape(tf.cast(isIn_BL, "float32"), [batch, 1, length]);
  return tf.reshape(
    precision("highest", () => tf.matMul(isIn_B1L, x_BLQ)),
    [batch, width],
  );
}
