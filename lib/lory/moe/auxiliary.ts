// Shapes: X tokens, B batch, K experts a token, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { stopGradient } from "../nn";
import type { LoadBalancingScope } from "./routing-config";

/** What may be added to the training objective beside the cross entropy. */
export const AUXILIARY_LOSSES = ["loadBalancing", "routerZ", "activationL1"] as const;
export type AuxiliaryLoss = (typeof AUXILIARY_LOSSES)[number];

/** What a layer's router did in a pass of training. */
export type RouterReport = {
  /** How many tokens are assigned to each expert, [E], without gradient. */
  load_E: tf.Tensor1D;
  /** Experts that a token had on average, without gradient, where their number is not fixed. */
  activeExperts?: tf.Scalar;
  /** The layer's auxiliary losses, before their coefficients. */
  losses: Partial<Record<AuxiliaryLoss, tf.Scalar>>;
};

/** What all parts of a step assigned to each expert of a layer, for a pass over one of them; parts are of equal size. */
export type StepLoad = { load_E: tf.Tensor1D; parts: number };

/**
 * `E sum_e f_e P_e`, f_e the share of the assignments that expert e has, P_e its mean probability: 1 where both are even, E where one expert has
 * all (Fedus et al. 2021, arXiv 2101.03961, Eq. 4, their dispatched tokens being assignments). Its gradient is that of P.
 *
 * @param chosen_XKE one-hot rows of the chosen experts
 * @param probs_XE softmax over all experts
 * @param batch sequences that the tokens make up
 * @param stepLoad where the tokens are a part of a step, and f is that of the whole: the mean of the parts' losses is then the loss of the step.
 * Sequences are whole in every part, and need none
 */
export function loadBalancingLoss(
  chosen_XKE: tf.Tensor3D,
  probs_XE: tf.Tensor2D,
  batch: number,
  scope: LoadBalancingScope,
  stepLoad?: StepLoad,
): tf.Scalar {
  return tf.tidy(() => {
    const [tokens, perToken, numExperts] = chosen_XKE.shape;
    const groups = scope === "sequence" ? batch : 1;
    const meanOf = (sum_XE: tf.Tensor, count: number): tf.Tensor =>
      tf.mul(tf.sum(tf.reshape(sum_XE, [groups, -1, numExperts]), 1), groups / count);
    const shares_GE =
      scope === "sequence" || stepLoad === undefined
        ? meanOf(tf.sum(chosen_XKE, 1), tokens * perToken)
        : tf.mul(stepLoad.load_E, 1 / (stepLoad.parts * tokens * perToken));
    const products = tf.mul(shares_GE, meanOf(probs_XE, tokens));
    return tf.mul(tf.sum<tf.Scalar>(products), numExperts / groups);
  });
}

/** The mean over tokens of `(log sum_e exp logit_e)^2` (Zoph et al. 2022, ST-MoE, arXiv 2202.08906, Eq. 5). */
export function routerZLoss(logits_XE: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => {
    const highest_X1 = stopGradient(tf.max(logits_XE, 1, true));
    const total_X1 = tf.sum(tf.exp(tf.sub(logits_XE, highest_X1)), 1, true);
    return tf.mul(tf.sum<tf.Scalar>(tf.square(tf.add(tf.log(total_X1), highest_X1))), 1 / logits_XE.shape[0]);
  });
}

/** Each expert's load as a multiple of the even one, [E]. */
export function relativeLoad(load_E: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => tf.div(tf.mul(load_E, load_E.shape[0]), tf.maximum(tf.sum(load_E), 1)));
}

/**
 * Balancing without a loss (Wang et al. 2024, arXiv 2408.15664, Algorithm 1): experts with less than their share are raised for selection,
 * those with more are lowered, by `rate` a step.
 */
export function balancedBias(bias_E: tf.Tensor, load_E: tf.Tensor1D, rate: number): tf.Tensor {
  // Loads are whole numbers: an even one is told from its neighbours exactly.
  const missing_E = (): tf.Tensor => tf.sub(tf.sum(load_E), tf.mul(load_E, load_E.shape[0]));
  return tf.tidy(() => tf.add(bias_E, tf.mul(tf.sign(missing_E()), rate)));
}
