// Shapes: B batch, L context, H heads, K head size.
import * as tf from "@tensorflow/tfjs-core";
import { CUDNN_MASKED, cudnnAttention, deviceKind, suitsCudnnAttention } from "tfjs-backend-xla";
import { blockedAttention, demandDocumentIds } from "./blocked-attention";
import { rowBlockAttention } from "./row-block-attention";

/**
 * What each position takes of the values at and before it: `softmax(q k^T / sqrt(K)) v`, head by head.
 * Queries, keys and values are [B, H, L, K], as is the result.
 */
export type AttentionMixer = (q_BHLK: tf.Tensor4D, k_BHLK: tf.Tensor4D, v_BHLK: tf.Tensor4D) => tf.Tensor4D;

/** What is added to a score that would look ahead: after the softmax its weight is exactly 0. */
const MASKED = -1e30;

/** Positions in a block of queries or keys: of 128, 256 and 512 the fastest on a CPU from L = 1024 on (`npm run bench -- fused`). */
const BLOCK_LENGTH = 256;

/**
 * The longest sequences whose scores all exist at once, by how kernels run. Compiled, one block is as long as this, and from two blocks on
 * the blocked form is the faster one: `results/benchmarks/fused.json`. Where kernels run one by one, each of its many small ones costs, and
 * the plain form is about twice as fast up to 1024; longer, its memory rules it out.
 */
const LONGEST_PLAIN = { compiled: BLOCK_LENGTH, kernelByKernel: 1024 };

/**
 * Sequences up to this length are mixed by blocks of rows where a CPU computes: a step of the small model takes a tenth less of the processor
 * than with the loop over blocks, whose slices and updates are copies there. Longer ones would be long programs that keep many scores.
 */
const LONGEST_ROW_BLOCKS = 512;

/** Queries of a block of rows: shorter blocks compute fewer hidden scores, but their products are slower. */
const ROW_BLOCK_LENGTH = 128;

/**
 * The mixer for sequences of a length: plain up to `LONGEST_PLAIN`; beyond, cuDNN's fused attention where it can be had (a CUDA device and the
 * precision `bf16`, see `suitsCudnnAttention`), and by blocks of rows, if documents are not apart, up to `LONGEST_ROW_BLOCKS` where a program is
 * compiled for a CPU; blocks everywhere else. cuDNN takes documents as a bias, of 2 B L^2 bytes for all layers together.
 *
 * @param documentIds_BL int32, [B, L]: with it, a position sees only positions of the same document
 */
export function causalMixer(length: number, documentIds_BL?: tf.Tensor2D): AttentionMixer {
  const device = deviceKind();
  const longest = device === undefined ? LONGEST_PLAIN.kernelByKernel : LONGEST_PLAIN.compiled;
  if (length <= longest) return plainMixer(length, documentIds_BL);
  const mixBlocks = blockedMixer(BLOCK_LENGTH, documentIds_BL);
  if (device === "cpu" && length <= LONGEST_ROW_BLOCKS && !documentIds_BL) return rowBlockMixer(ROW_BLOCK_LENGTH);
  return (q_BHLK, k_BHLK, v_BHLK) => {
    if (!suitsCudnnAttention(q_BHLK.shape)) return mixBlocks(q_BHLK, k_BHLK, v_BHLK);
    if (!documentIds_BL) return cudnnAttention(q_BHLK, k_BHLK, v_BHLK);
    demandDocumentIds(documentIds_BL, q_BHLK.shape[0], length);
    return cudnnAttention(q_BHLK, k_BHLK, v_BHLK, { bias: apartBias(length, documentIds_BL, CUDNN_MASKED) });
  };
}

/** All scores at once: memory grows with the square of L. */
export function plainMixer(length: number, documentIds_BL?: tf.Tensor2D): AttentionMixer {
  const bias = documentIds_BL ? documentBias(length, documentIds_BL) : causalBias(length);
  return (q_BHLK, k_BHLK, v_BHLK) => {
    if (documentIds_BL) demandDocumentIds(documentIds_BL, q_BHLK.shape[0], length);
    // Scaling the queries instead of the scores touches K instead of L numbers a row.
    const scaled_BHLK = tf.mul(q_BHLK, q_BHLK.shape[3] ** -0.5);
    const scores_BHLL = tf.matMul(scaled_BHLK, k_BHLK, false, true);
    const weights_BHLL = tf.softmax(tf.add(scores_BHLL, bias));
    return tf.matMul(weights_BHLL, v_BHLK);
  };
}

/** One block of scores at a time: memory grows linearly with L. */
export function blockedMixer(blockLength: number, documentIds_BL?: tf.Tensor2D): AttentionMixer {
  return (q_BHLK, k_BHLK, v_BHLK) => blockedAttention(q_BHLK, k_BHLK, v_BHLK, { blockLength, documentIds_BL });
}

/** A block of queries at a time against all keys that it sees: memory grows with the square of L, half as fast as the plain form's. */
export function rowBlockMixer(blockLength: number): AttentionMixer {
  return (q_BHLK, k_BHLK, v_BHLK) => rowBlockAttention(q_BHLK, k_BHLK, v_BHLK, blockLength);
}

/** [L, L]: 0 where the query (row) may see the key (column), a huge negative number where the key lies in its future. */
export function causalBias(length: number): tf.Tensor2D {
  return tf.tidy(() => {
    const positions_L = tf.range(0, length, 1, "float32");
    const future_LL = tf.greater(tf.reshape(positions_L, [1, length]), tf.reshape(positions_L, [length, 1]));
    return tf.mul<tf.Tensor2D>(tf.cast(future_LL, "float32"), MASKED);
  });
}

/** [B, 1, L, L]: `causalBias`, and the huge negative number for keys of other documents. */
const documentBias = (length: number, ids_BL: tf.Tensor2D): tf.Tensor4D =>
  tf.tidy(() => tf.add<tf.Tensor4D>(apartBias(length, ids_BL, MASKED), causalBias(length)));

/** [B, 1, L, L]: 0 where query and key are of one document, `masked` elsewhere. */
function apartBias(length: number, ids_BL: tf.Tensor2D, masked: number): tf.Tensor4D {
  return tf.tidy(() => {
    const batch = ids_BL.shape[0];
    const apart_B1LL = tf.notEqual(
      tf.reshape(ids_BL, [batch, 1, length, 1]),
      tf.reshape(ids_BL, [batch, 1, 1, length]),
    );
    return tf.mul<tf.Tensor4D>(tf.cast(apart_B1LL, "float32"), masked);
  });
}
