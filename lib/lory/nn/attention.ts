// Shapes: B batch, L context, D model, Q = 3 D packed queries, keys and values, H heads, K head size.
import * as tf from "@tensorflow/tfjs-core";
import type { AttentionMixer } from "./attention-mixer";
import { linear } from "./linear";
import { packedLinear } from "./packed-linear";
import { rope, type RopeTables } from "./rope";

/** Weights of one attention layer: `qkv_DQ` [D, 3 D] holds queries, keys and values side by side; `out_DD` [D, D]. */
export type AttentionParams = { qkv_DQ: tf.Tensor; out_DD: tf.Tensor };

/**
 * Causal self-attention with rotary positions: `softmax(q k^T / sqrt(K)) v`, head by head, then `out_DD`.
 *
 * @param x_BLD [B, L, D]
 * @param tables `ropeTables(L, D / numHeads, theta)`
 * @param mix `causalMixer(L)`, or another; both are arguments so that all layers share what they hold
 * @returns [B, L, D]
 */
export function causalAttention(
  params: AttentionParams,
  x_BLD: tf.Tensor3D,
  numHeads: number,
  tables: RopeTables,
  mix: AttentionMixer,
): tf.Tensor3D {
  return tf.tidy(() => {
    const { q_BHLK, k_BHLK, v_BHLK } = attentionHeads(params, x_BLD, numHeads, tables);
    return joinedHeads(params, mix(q_BHLK, k_BHLK, v_BHLK));
  });
}

/** Queries, keys and values head by head, [B, H, L, K] each; queries and keys are rotated by their positions. */
export type AttentionHeads = { q_BHLK: tf.Tensor4D; k_BHLK: tf.Tensor4D; v_BHLK: tf.Tensor4D };

/** What attention mixes. Arguments are those of `causalAttention`. */
export function attentionHeads(
  params: AttentionParams,
  x_BLD: tf.Tensor3D,
  numHeads: number,
  tables: RopeTables,
): AttentionHeads {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const heads = (t_BLD: tf.Tensor): tf.Tensor4D =>
      tf.transpose(tf.reshape(t_BLD, [batch, length, numHeads, dModel / numHeads]), [0, 2, 1, 3]);
    const [q_BLD, k_BLD, v_BLD] = packedLinear(x_BLD, params.qkv_DQ, 3);
    return { q_BHLK: rope(heads(q_BLD), tables), k_BHLK: rope(heads(k_BLD), tables), v_BHLK: heads(v_BLD) };
  });
}

/** What attention gives on, from what its heads have mixed: [B, H, L, K] to [B, L, D]. */
export function joinedHeads({ out_DD }: Pick<AttentionParams, "out_DD">, mixed_BHLK: tf.Tensor4D): tf.Tensor3D {
  return tf.tidy(() => {
    const [batch, heads, length, headSize] = mixed_BHLK.shape;
    const mixed_BLD = tf.reshape(tf.transpose(mixed_BHLK, [0, 2, 1, 3]), [batch, length, heads * headSize]);
    return linear(mixed_BLD, out_DD) as tf.Tensor3D;
  });
}
