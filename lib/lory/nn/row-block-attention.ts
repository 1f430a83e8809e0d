// Shapes: B batch, H heads, L context, K head size, P queries of a block, S keys that the block sees.
import * as tf from "@tensorflow/tfjs-core";
import { materialize } from "tfjs-backend-xla";
import { demandBlockLength } from "./blocked-attention";
import { withGradient } from "./with-gradient";

/** What stands for a score that is hidden: after the softmax its weight is exactly 0. */
const HIDDEN = -1e30;

/** A block of queries: where it begins, and where it ends. It sees the keys before its end. */
interface RowBlock {
  readonly start: number;
  readonly end: number;
}

/**
 * Causal attention `softmax(q k^T / sqrt(K)) v`, a block of queries at a time: each meets the keys up to its own end only, so that of the
 * scores that nobody may see few are computed. The blocks are written out one after another and the softmax's numerators kept for the
 * gradient, about half of the scores: for sequences of a few blocks.
 *
 * The numerators `w = exp(score - max)` are never divided by their sum: `out = (w v) / sum` divides K numbers a row instead of S, and so
 * does the gradient.
 *
 * @param q_BHLK queries, [B, H, L, K]; keys and values are of the same shape
 * @param blockLength the most queries of a block, at least 1
 * @returns [B, H, L, K]
 * @throws Error if the block length is no whole number of at least 1
 */
export function rowBlockAttention(
  q_BHLK: tf.Tensor4D,
  k_BHLK: tf.Tensor4D,
  v_BHLK: tf.Tensor4D,
  blockLength: number,
): tf.Tensor4D {
  demandBlockLength(blockLength);
  const [, , length, headSize] = q_BHLK.shape;
  const scale = headSize ** -0.5;
  const blocks = rowBlocks(length, blockLength);
  return withGradient<tf.Tensor4D>(
    [q_BHLK, k_BHLK, v_BHLK],
    ([q, k, v], save) => {
      const scaled = tf.mul(q, scale);
      const parts = blocks.map(({ start, end }) => {
        const scores_BHPS = tf.matMul(rows(scaled, start, end), rows(k, 0, end), false, true);
        const seen_BHPS = tf.where(visible(start, end), scores_BHPS, HIDDEN);
        const weights_BHPS = tf.exp(tf.sub(seen_BHPS, tf.max(seen_BHPS, -1, true)));
        const sum_BHP1 = tf.sum(weights_BHPS, -1, true);
        const out_BHPK = tf.div(tf.matMul(weights_BHPS, rows(v, 0, end)), sum_BHP1);
        return { weights_BHPS, sum_BHP1, out_BHPK };
      });
      const joined = (of: (part: (typeof parts)[number]) => tf.Tensor) => tf.concat(parts.map(of), 2);
      const out_BHLK = joined(({ out_BHPK }) => out_BHPK) as tf.Tensor4D;
      const sum_BHL1 = joined(({ sum_BHP1 }) => sum_BHP1);
      save([scaled, k, v, out_BHLK, sum_BHL1, ...parts.map(({ weights_BHPS }) => weights_BHPS)]);
      return out_BHLK;
    },
    (dOut_BHLK, [scaled, k, v, out_BHLK, sum_BHL1, ...weights]) => {
      const dMixed_BHLK = tf.div(dOut_BHLK, sum_BHL1);
      const delta_BHL1 = tf.sum(tf.mul(dMixed_BHLK, out_BHLK), -1, true);
      const [scaled_BHKL, dMixed_BHKL] = [turned(scaled), turned(dMixed_BHLK)];
      const parts = blocks.map(({ start, end }, i) => {
        const dMixed_BHPK = rows(dMixed_BHLK, start, end);
        const dWeights_BHPS = tf.matMul(dMixed_BHPK, rows(v, 0, end), false, true);
        const dScores_BHPS = tf.mul(weights[i], tf.sub(dWeights_BHPS, rows(delta_BHL1, start, end)));
        return {
          dq_BHPK: tf.matMul(dScores_BHPS, rows(k, 0, end)),
          dk_BHKS: tf.matMul(columns(scaled_BHKL, start, end), dScores_BHPS),
          dv_BHKS: tf.matMul(columns(dMixed_BHKL, start, end), weights[i]),
        };
      });
      const all = (of: (part: (typeof parts)[number]) => tf.Tensor): tf.Tensor[] => parts.map(of);
      const dq_BHLK = tf.concat(
        all(({ dq_BHPK }) => dq_BHPK),
        2,
      );
      const dk_BHKL = summed(
        all(({ dk_BHKS }) => dk_BHKS),
        length,
      );
      const dv_BHKL = summed(
        all(({ dv_BHKS }) => dv_BHKS),
        length,
      );
      return [tf.mul(dq_BHLK, scale), turned(dk_BHKL), turned(dv_BHKL)];
    },
  );
}

/** Positions 0 .. L - 1 cut into blocks as even as can be. */
function rowBlocks(length: number, blockLength: number): RowBlock[] {
  const count = Math.ceil(length / blockLength);
  const at = (i: number): number => Math.round((i * length) / count);
  return Array.from({ length: count }, (_, i) => ({ start: at(i), end: at(i + 1) }));
}

/** [B, H, L, ...] to [B, H, end - start, ...]. */
function rows(x_BHL: tf.Tensor, start: number, end: number): tf.Tensor {
  const [batch, heads, , width] = x_BHL.shape;
  return tf.slice(x_BHL, [0, 0, start, 0], [batch, heads, end - start, width]);
}

/** [B, H, K, L] to [B, H, K, end - start]. */
function columns(x_BHKL: tf.Tensor, start: number, end: number): tf.Tensor {
  const [batch, heads, width] = x_BHKL.shape;
  return tf.slice(x_BHKL, [0, 0, 0, start], [batch, heads, width, end - start]);
}

/**
 * [B, H, L, K] to [B, H, K, L], or back. XLA's fast products on CPUs take no left operand that is summed over its rows, such as `w^T dOut`:
 * with the small operand turned once, as `dOut^T w`, they do, which takes a tenth off a step of the small model. A turn that is not
 * computed as a whole XLA would put back into the product.
 */
function turned(x: tf.Tensor): tf.Tensor {
  return materialize(tf.transpose(x, [0, 1, 3, 2]));
}

/** [P, S]: which queries of a block see which of the keys before its end. */
function visible(start: number, end: number): tf.Tensor2D {
  const queries_P1 = tf.reshape(tf.range(start, end, 1, "int32"), [-1, 1]);
  return tf.lessEqual<tf.Tensor2D>(tf.reshape(tf.range(0, end, 1, "int32"), [1, -1]), queries_P1);
}

/** The sum of [B, H, K, S] for every S, as [B, H, K, L]: keys that a block does not see have no part in it. */
function summed(parts: readonly tf.Tensor[], length: number): tf.Tensor {
  const pad = (x_BHKS: tf.Tensor4D): tf.Tensor =>
    tf.pad4d(x_BHKS, [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, length - x_BHKS.shape[3]],
    ]);
  return tf.addN(parts.map((part) => pad(part as tf.Tensor4D)));
}
