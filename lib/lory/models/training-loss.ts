// Shapes: B batch, M = L + 1, E experts, Y layers with experts.
import * as tf from "@tensorflow/tfjs-core";
import {
  AUXILIARY_LOSSES,
  routingSums,
  unitTokens,
  type AuxiliaryLoss,
  type MergeMemory,
  type RoutingMode,
} from "../moe";
import { headCrossEntropyNats } from "../nn";
import type { ModelConfig } from "./config";
import type { Params } from "./params";
import { hiddenStates, inputsAndTargets, type LayerInputs } from "./transformer";

/** What a step of training differentiates, and its parts. */
export type TrainingLosses = {
  /** The cross entropy and the auxiliary losses, each times its coefficient. */
  objective: tf.Scalar;
  /** The mean cross entropy of the training pass, in nats a token. */
  lossNats: tf.Scalar;
  /** Each auxiliary loss that the mode has, before its coefficient: the mean over layers. */
  auxiliary: Partial<Record<AuxiliaryLoss, tf.Scalar>>;
  /** How many tokens are assigned to each expert, without gradient, by layer with experts, in the modes that assign. */
  loads: tf.Tensor1D[];
  /** Experts that a token had, without gradient, where their number is not fixed: the mean over tokens and layers. */
  activeExperts?: tf.Scalar;
  /** How the layers with experts route: see `routingSums`. */
  routingSums?: tf.Tensor2D;
};

/** What a step of training depends on beside parameters and tokens. */
export type TrainingInputs = LayerInputs & {
  /** `remoe`: the coefficient of the L1 penalty; the configuration's first one without it. */
  l1Coefficient?: tf.Scalar;
  /** Kept without it. */
  merges?: MergeMemory;
};

/** What each auxiliary loss is multiplied by. */
const COEFFICIENTS = {
  loadBalancing: ({ routerAuxLossCoef }) => routerAuxLossCoef,
  routerZ: ({ routerZLossCoef }) => routerZLossCoef,
  activationL1: ({ l1InitialCoef }, { l1Coefficient }) => l1Coefficient ?? l1InitialCoef,
} satisfies Record<AuxiliaryLoss, (config: ModelConfig, inputs: TrainingInputs) => number | tf.Scalar>;

/** Modes with a load-balancing loss of the tokens' assignments. */
const BALANCED_MODES: readonly RoutingMode[] = ["token_choice", "segment_and_token", "document_pool"];

/**
 * Whether the objective of a batch is another than the mean over its parts, because it multiplies the loads of the whole with what differs in
 * each part: then a part needs `stepLoads`.
 */
export function multipliesLoads({
  numExperts,
  routingMode,
  routerAuxLossCoef,
  loadBalancingScope,
}: ModelConfig): boolean {
  if (numExperts === 0) return false;
  if (routingMode === "remoe") return true;
  return BALANCED_MODES.includes(routingMode) && routerAuxLossCoef > 0 && loadBalancingScope === "global_batch";
}

/**
 * The losses of a batch as training sees it. Where a mode has no auxiliary losses, or none with a coefficient, the objective is the cross entropy.
 *
 * @param tokens_BM int32, [B, L + 1]: each token but the last predicts the one after it
 */
export function trainingLosses(
  params: Params,
  tokens_BM: tf.Tensor2D,
  config: ModelConfig,
  inputs: TrainingInputs = {},
): TrainingLosses {
  return tf.tidy(() => {
    const { inputs_BL, targets_BL } = inputsAndTargets(tokens_BM);
    const { merges } = inputs;
    const { x_BLD, reports, routing } = hiddenStates(params, inputs_BL, config, { kind: "training", merges }, inputs);
    const losses_BL = headCrossEntropyNats(x_BLD, params.head_DV, targets_BL);
    const lossNats: tf.Scalar = tf.mul(tf.sum(losses_BL), 1 / losses_BL.size);
    const auxiliary: TrainingLosses["auxiliary"] = {};
    let objective = lossNats;
    for (const name of AUXILIARY_LOSSES) {
      const ofLayers = reports.flatMap(({ losses }) => losses[name] ?? []);
      if (ofLayers.length === 0) continue;
      const mean: tf.Scalar = tf.mul(tf.addN(ofLayers), 1 / ofLayers.length);
      auxiliary[name] = mean;
      const coefficient = COEFFICIENTS[name](config, inputs);
      if (coefficient !== 0) objective = tf.add(objective, tf.mul(mean, coefficient));
    }
    const active = reports.flatMap(({ activeExperts }) => activeExperts ?? []);
    const activeExperts =
      active.length === 0 ? {} : { activeExperts: tf.div<tf.Scalar>(tf.addN(active), active.length) };
    const length = tokens_BM.shape[1] - 1;
    const sums = routing.length === 0 ? {} : { routingSums: routingSums(routing, unitTokens(config, length)) };
    return { objective, lossNats, auxiliary, loads: reports.map(({ load_E }) => load_E), ...activeExperts, ...sums };
  });
}
