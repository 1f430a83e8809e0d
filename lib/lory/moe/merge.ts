// Shapes: R rows (segments or sequences), E experts, D model, F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import type { MergedFfnParams } from "../nn";

/** A bank of SwiGLU experts: [E, D, 2 F] and [E, F, D]. */
export type ExpertParams = { gateUp_EDG: tf.Tensor; down_EFD: tf.Tensor };

/** Whether merged weights are kept for the backward pass, or computed again in it: time for the memory of one network a segment and layer. */
export const MERGE_MEMORY = ["keep", "recompute"] as const;
export type MergeMemory = (typeof MERGE_MEMORY)[number];

/**
 * Merges the experts into one FFN for each row: `theta_r = sum_e weights[r, e] theta_e` (Eq. 2).
 *
 * One matrix product [R, E] x [E, parameters] for each weight matrix: 6 E D F floating-point operations a row.
 *
 * @param weights_RE routing weights, [R, E]
 */
export function mergeExperts(experts: ExpertParams, weights_RE: tf.Tensor2D): MergedFfnParams {
  const merge = (bank: tf.Tensor): tf.Tensor => {
    const [numExperts, ...shape] = bank.shape;
    const flat: tf.Tensor2D = tf.reshape(bank, [numExperts, -1]);
    return tf.reshape(tf.matMul(weights_RE, flat), [-1, ...shape]);
  };
  return tf.tidy(() => ({ gateUp_RDG: merge(experts.gateUp_EDG), down_RFD: merge(experts.down_EFD) }));
}
