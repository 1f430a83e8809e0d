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
    const [batch, length, dModel] = x_BLD.shape;
    const headSize = dModel / numHeads;
    const heads = (t_BLD: tf.Tensor): tf.Tensor4D =>
      tf.transpose(tf.reshape(t_BLD, [batch, length, numHeads, headSize]), [0, 2, 1, 3]);

    const [q_BLD, k_BLD, v_BLD] = packedLinear(x_BLD, params.qkv_DQ, 3);
    const mixed_BHLK = mix(rope(heads(q_BLD), tables), rope(heads(k_BLD), tables), heads(v_BLD));
    const mixed_BLD = tf.reshape(tf.transpose(mixed_BHLK, [0, 2, 1, 3]), [batch, length, dModel]);
    return linear(mixed_BLD, params.out_DD) as tf.Tensor3D;
  });
}
