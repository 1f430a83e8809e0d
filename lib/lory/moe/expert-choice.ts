// Shapes: B batch, L context, N segments, T tokens a segment, U units (segments or tokens) a pool, O pools, V = O U units, C units that an expert takes
// from a pool, S = E O C places, X = B L tokens, E experts, D model, W = T D or D, width of a unit.
import * as tf from "@tensorflow/tfjs-core";
import { mergedFfn, withGradient, type MergedFfnParams } from "../nn";
import { sparseExperts } from "./dispatch";
import type { ExpertParams } from "./merge";
import { routePrompt } from "./prompt";
import { routerProbabilities } from "./router";
import type { RoutingConfig } from "./routing-config";
import { putRows, takeRows } from "./rows";
import { segmentWeights, type SegmentRouterParams } from "./segment-routing";
import { joinSegments, repeatForTokens, segmentation, splitSegments, type Segmentation } from "./segments";
import { selectHighest } from "./selection";
import type { SparseOutput } from "./token-choice";

type ExpertChoiceParams = ExpertParams & SegmentRouterParams;

type ExpertChoiceConfig = Pick<
  RoutingConfig,
  "segmentLength" | "firstSegmentRule" | "capacityFactor" | "expertChoiceUnit" | "expertChoicePool"
>;

/** Units that each expert takes from a pool: `max(1, floor(capacity U / E))`, and no more than there are. */
export function expertCapacity(capacityFactor: number, units: number, numExperts: number): number {
  return Math.min(units, Math.max(1, Math.floor((capacityFactor * units) / numExperts)));
}

/** Experts that a unit takes at inference: as many as take it on average in training, one at least. */
export function inferenceChoices(capacityFactor: number, numExperts: number): number {
  return Math.min(numExperts, Math.max(1, Math.floor(capacityFactor)));
}

/**
 * Expert choice in training (Zhou et al. 2022, arXiv 2202.09368; Lory, Fig. 5): each expert takes the units of its highest scores from a pool, those of
 * the whole batch or of each sequence, equal ones in order of index. A unit's output is the sum of those of the experts that took it, each
 * times its softmax score; a unit that none took gets 0. It reads the future: whether a unit is taken depends on all others of the pool.
 *
 * Units are tokens, scored by themselves, or segments, scored as Lory routes them: each by the segment before it.
 * All that is computed is used: E C units a pool.
 */
export function expertChoiceTraining(
  params: ExpertChoiceParams,
  x_BLD: tf.Tensor3D,
  config: ExpertChoiceConfig,
): SparseOutput {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const cut = unitsOf(length, config);
    const x_BNTD = splitSegments(x_BLD, cut);
    const scores_BNE = unitScores(params, x_BLD, cut, config);
    const numExperts = scores_BNE.shape[2];
    const pools = config.expertChoicePool === "sequence" ? batch : 1;
    const units = (batch * cut.count) / pools;
    const capacity = expertCapacity(config.capacityFactor, units, numExperts);
    const { unit_S, score_S } = takenUnits(tf.reshape(scores_BNE, [pools, units, numExperts]), capacity);

    const width = cut.length * dModel;
    const x_SW = takeRows(tf.reshape(x_BNTD, [pools * units, width]), unit_S);
    const bank = { gateUp_RDG: params.gateUp_EDG, down_RFD: params.down_EFD };
    const y_ECD = mergedFfn(bank, tf.reshape(x_SW, [numExperts, -1, dModel]));
    const weights_S1 = takeRows(tf.reshape(scores_BNE, [-1, 1]), score_S);
    const y_VW = putRows(tf.mul(tf.reshape(y_ECD, [-1, width]), weights_S1), unit_S, pools * units);
    return {
      y_BLD: joinSegments(tf.reshape(y_VW, x_BNTD.shape), length),
      weights_BNE: tf.reshape(putRows(weights_S1, score_S, scores_BNE.size), scores_BNE.shape),
    };
  });
}

/**
 * Expert choice at inference (Lory, Fig. 5): units choose experts, so that no future unit is seen. Each takes its highest-scored experts, as many
 * as take it on average in training, by their softmax scores, without renormalization. Tokens are causal strictly, segments as far as the rule for
 * segment 1 is.
 *
 * @param prompt where given, and units are segments: with `prompt` all of a row is one unit, scored by the mean of its first tokens; with
 * `continuation` a first segment that scores itself does so by its tokens of the prompt
 */
export function expertChoiceInference(
  params: ExpertChoiceParams,
  x_BLD: tf.Tensor3D,
  config: ExpertChoiceConfig,
  prompt?: { kind: "prompt" | "continuation"; promptLength_B: tf.Tensor1D },
): SparseOutput {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const cut = prompt?.kind === "prompt" ? segmentation(length, length) : unitsOf(length, config);
    const scores_BNE =
      prompt?.kind === "prompt"
        ? routePrompt(params.router_DE, x_BLD, prompt.promptLength_B)
        : unitScores(params, x_BLD, cut, config, prompt?.promptLength_B);
    const numExperts = scores_BNE.shape[2];
    const choices = inferenceChoices(config.capacityFactor, numExperts);
    const scores_VE: tf.Tensor2D = tf.reshape(scores_BNE, [-1, numExperts]);
    const chosen_VKE = selectHighest(scores_VE, choices);
    const weights_VK = tf.sum<tf.Tensor2D>(tf.mul(chosen_VKE, tf.expandDims(scores_VE, 1)), 2);
    const weights_VE = tf.sum(tf.mul(chosen_VKE, tf.expandDims(weights_VK, 2)), 1);
    const ofTokens = (ofUnits: tf.Tensor): tf.Tensor3D =>
      joinSegments(repeatForTokens(tf.reshape(ofUnits, [batch, cut.count, -1]), cut), length);
    const y_XD = sparseExperts(
      params,
      tf.reshape(x_BLD, [batch * length, dModel]),
      tf.reshape(ofTokens(chosen_VKE), [-1, choices, numExperts]),
      tf.reshape(ofTokens(weights_VK), [-1, choices]),
    );
    return { y_BLD: tf.reshape(y_XD, x_BLD.shape), weights_BNE: tf.reshape(weights_VE, scores_BNE.shape) };
  });
}

/**
 * The experts that units choose by their weights, as one network of K F hidden units for each: its output is the sum of those of the K experts, each
 * times its weight.
 *
 * @param weights_RE of which the K highest count
 */
export function chosenExperts(
  { gateUp_EDG, down_EFD }: ExpertParams,
  weights_RE: tf.Tensor2D,
  choices: number,
): MergedFfnParams {
  return tf.tidy(() => {
    const [rows] = weights_RE.shape;
    const [, dFfn, dModel] = down_EFD.shape as [number, number, number];
    const { values: weights_RK, indices } = tf.topk(weights_RE, choices);
    const sideBySide = (half: number): tf.Tensor => {
      const columns_EDF = tf.slice(gateUp_EDG, [0, 0, half * dFfn], [-1, -1, dFfn]);
      const chosen_RKDF = tf.gather(columns_EDF, indices);
      return tf.reshape(tf.transpose(chosen_RKDF, [0, 2, 1, 3]), [rows, dModel, choices * dFfn]);
    };
    const down_RKFD = tf.mul(tf.gather(down_EFD, indices), tf.reshape(weights_RK, [rows, choices, 1, 1]));
    return {
      gateUp_RDG: tf.concat([sideBySide(0), sideBySide(1)], 2),
      down_RFD: tf.reshape(down_RKFD, [rows, choices * dFfn, dModel]),
    };
  });
}

function unitsOf(length: number, { expertChoiceUnit, segmentLength }: ExpertChoiceConfig): Segmentation {
  return segmentation(length, expertChoiceUnit === "token" ? 1 : segmentLength);
}

/** Softmax scores of each unit, [B, N, E]. */
function unitScores(
  params: ExpertChoiceParams,
  x_BLD: tf.Tensor3D,
  cut: Segmentation,
  { expertChoiceUnit, firstSegmentRule }: ExpertChoiceConfig,
  promptLength_B?: tf.Tensor1D,
): tf.Tensor3D {
  if (expertChoiceUnit === "token") return routerProbabilities(params.router_DE, x_BLD) as tf.Tensor3D;
  return segmentWeights(params, splitSegments(x_BLD, cut), cut, "causal_segment", firstSegmentRule, promptLength_B);
}

/** The units that each expert takes from each pool, in order of experts, int32: their numbers in V, and those of their scores in V E. */
function takenUnits(scores_OUE: tf.Tensor3D, capacity: number): { unit_S: tf.Tensor1D; score_S: tf.Tensor1D } {
  const [pools, units, numExperts] = scores_OUE.shape;
  const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
  // Which units are taken is a constant to gradients.
  const inPool_EOC = withGradient(
    [scores_OUE],
    ([scores], save) => {
      save([scores]);
      return tf.topk(tf.transpose(scores, [2, 0, 1]), capacity).indices;
    },
    (_, [scores]) => [tf.zerosLike(scores)],
  );
  const pool_1O1 = tf.reshape(tf.range(0, pools, 1, "int32"), [1, pools, 1]);
  const expert_E11 = tf.reshape(tf.range(0, numExperts, 1, "int32"), [numExperts, 1, 1]);
  const unit_EOC = tf.add(inPool_EOC, tf.mul(pool_1O1, int(units)));
  const score_EOC = tf.add(tf.mul(unit_EOC, int(numExperts)), expert_E11);
  return { unit_S: tf.reshape(unit_EOC, [-1]), score_S: tf.reshape(score_EOC, [-1]) };
}
