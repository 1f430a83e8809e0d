// Shapes: B batch, L prompt, C places of the cache, D model, H heads, K head size.
import * as tf from "@tensorflow/tfjs-core";
import { dynamicUpdateSlice } from "tfjs-backend-xla";
import { attentionHeads, joinedHeads, type AttentionHeads, type AttentionParams } from "./attention";
import type { RopeTables } from "./rope";

/** Keys and values of the tokens so far, [B, H, C, K] each: place p of a row holds its position p, with the rotation of that position. */
export type KvCache = { k_BHCK: tf.Tensor4D; v_BHCK: tf.Tensor4D };

/** A score that nobody may see: after the softmax its weight is exactly 0. */
const HIDDEN = -1e30;

/** A cache of C places that begins with the keys and values of a prompt. */
export function filledCache({ k_BHLK, v_BHLK }: AttentionHeads, places: number): KvCache {
  const filled = (x_BHLK: tf.Tensor4D): tf.Tensor4D =>
    tf.pad4d(x_BHLK, [
      [0, 0],
      [0, 0],
      [0, places - x_BHLK.shape[2]],
      [0, 0],
    ]);
  return tf.tidy(() => ({ k_BHCK: filled(k_BHLK), v_BHCK: filled(v_BHLK) }));
}

/**
 * Attention of one new token of each row to itself and to all before it: its key and value go to the place of its position, and what lies
 * behind that is not seen, so that rows may have different lengths. Equal to the last row of `causalAttention` over the whole text.
 *
 * @param x_B1D the tokens' normed inputs, [B, 1, D]
 * @param position_B int32, each below C
 * @param tables_B `ropeTablesAt` these positions
 * @param seen_B11C `seenPlaces` of them; both are arguments so that all layers share what they hold
 */
export function cachedAttention(
  params: AttentionParams,
  x_B1D: tf.Tensor3D,
  numHeads: number,
  cache: KvCache,
  { position_B, tables_B, seen_B11C }: TokenPlaces,
): { y_B1D: tf.Tensor3D; cache: KvCache } {
  return tf.tidy(() => {
    const heads = attentionHeads(params, x_B1D, numHeads, tables_B);
    const k_BHCK = put(cache.k_BHCK, heads.k_BHLK, position_B);
    const v_BHCK = put(cache.v_BHCK, heads.v_BHLK, position_B);
    const scaled_BH1K = tf.mul<tf.Tensor4D>(heads.q_BHLK, heads.q_BHLK.shape[3] ** -0.5);
    const scores_BH1C = tf.matMul(scaled_BH1K, k_BHCK, false, true);
    const weights_BH1C = tf.softmax(tf.where(seen_B11C, scores_BH1C, HIDDEN));
    return { y_B1D: joinedHeads(params, tf.matMul(weights_BH1C, v_BHCK)), cache: { k_BHCK, v_BHCK } };
  });
}

/** Where the new token of each row stands, as `cachedAttention` reads it. */
export type TokenPlaces = { position_B: tf.Tensor1D; tables_B: RopeTables; seen_B11C: tf.Tensor4D };

/** Which of C places the token at each position sees: bool, [B, 1, 1, C]. With the start of its document, none before that. */
export function seenPlaces(position_B: tf.Tensor1D, places: number, documentStart_B?: tf.Tensor1D): tf.Tensor4D {
  return tf.tidy(() => {
    const places_111C = tf.reshape(tf.range(0, places, 1, "int32"), [1, 1, 1, places]);
    const past_B11C = tf.lessEqual<tf.Tensor4D>(places_111C, tf.reshape(position_B, [-1, 1, 1, 1]));
    if (documentStart_B === undefined) return past_B11C;
    return tf.logicalAnd(past_B11C, tf.greaterEqual(places_111C, tf.reshape(documentStart_B, [-1, 1, 1, 1])));
  });
}

/** Each row's [1, H, 1, K] at its own place: writes of their own, which leave the rest of the cache where it lies. */
function put(cache_BHCK: tf.Tensor4D, new_BH1K: tf.Tensor4D, position_B: tf.Tensor1D): tf.Tensor4D {
  const [batch, heads, , headSize] = new_BH1K.shape;
  return Array.from({ length: batch }, (_, row) => row).reduce((written, row) => {
    const at: tf.Scalar = tf.reshape(tf.slice(position_B, [row], [1]), []);
    const own = tf.slice(new_BH1K, [row, 0, 0, 0], [1, heads, 1, headSize]);
    return dynamicUpdateSlice(written, own, [row, 0, at, 0]);
  }, cache_BHCK);
}
