// Shapes: B batch, L context, D model, Q = 3 D packed queries, keys and values, H heads, K head size.
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "./linear";
import { rope, type RopeTables } from "./rope";

/** Weights of one attention layer: `qkv_DQ` [D, 3 D] holds queries, keys and values side by side; `out_DD` [D, D]. */
export type AttentionParams = { qkv_DQ: tf.Tensor; out_DD: tf.Tensor };

/** What is added to a score that would look ahead: after the softmax its weight is exactly 0. */
const MASKED = -1e30;

/** [L, L]: 0 where the query (row) may see the key (column), a huge negative number where the key lies in its future. */
export function causalBias(length: number): tf.Tensor2D {
  return tf.tidy(() => {
    const positions_L = tf.range(0, length, 1, "float32");
    const future_LL = tf.greater(tf.reshape(positions_L, [1, length]), tf.reshape(positions_L, [length, 1]));
    return tf.mul<tf.Tensor2D>(tf.cast(future_LL, "float32"), MASKED);
  });
}

/**
 * Causal self-attention with rotary positions: `softmax(q k^T / sqrt(K) + bias) v`, head by head, then `out_DD`.
 *
 * @param x_BLD [B, L, D]
 * @param tables `ropeTables(L, D / numHeads, theta)`
 * @param bias_LL `causalBias(L)`; both are arguments so that all layers share them
 * @returns [B, L, D]
 */
export function causalAttention(
  params: AttentionParams,
  x_BLD: tf.Tensor3D,
  numHeads: number,
  tables: RopeTables,
  bias_LL: tf.Tensor2D,
): tf.Tensor3D {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const headSize = dModel / numHeads;
    const heads = (t_BLD: tf.Tensor): tf.Tensor4D =>
      tf.transpose(tf.reshape(t_BLD, [batch, length, numHeads, headSize]), [0, 2, 1, 3]);

    const [q_BLD, k_BLD, v_BLD] = tf.split(linear(x_BLD, params.qkv_DQ), 3, -1);
    // Scaling the queries instead of the scores touches K instead of L numbers a row.
    const q_BHLK = tf.mul(rope(heads(q_BLD), tables), headSize ** -0.5);
    const k_BHLK = rope(heads(k_BLD), tables);
    const scores_BHLL = tf.matMul(q_BHLK, k_BHLK, false, true);
    const weights_BHLL = tf.softmax(tf.add(scores_BHLL, bias_LL));
    const mixed_BHLK = tf.matMul(weights_BHLL, heads(v_BLD));
    const mixed_BLD = tf.reshape(tf.transpose(mixed_BHLK, [0, 2, 1, 3]), [batch, length, dModel]);
    return linear(mixed_BLD, params.out_DD) as tf.Tensor3D;
  });
}
