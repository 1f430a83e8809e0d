/** Q queries, S keys of a block, C chunks of it, K wanted, W places to choose from. */
import * as tf from "@tensorflow/tfjs-core";

/** Similarities and whose they are, one row a query. */
export type Candidates = {
  readonly values: tf.Tensor2D;
  /** int32 */
  readonly ids: tf.Tensor2D;
};

/** Below the similarity of any two documents. */
export const HIDDEN = -2;

/** Keys that are looked at together: wide enough for a device to take the greatest of a row at the rate of its memory. */
export const CHUNK_KEYS = 128;

const LARGEST_ID = 2 ** 31 - 1;

const integer = (value: number): tf.Scalar => tf.fill([], value, "int32");

/**
 * The K greatest of each row, descending, of equals the one of the lower id. K times the greatest is taken and hidden: XLA makes each
 * round one or two passes over the row, where a sort makes many more. An id that stands in a row twice, with the same value, is taken
 * once; where nothing is left, the value is `HIDDEN`.
 *
 * @param candidates [Q, W]
 * @returns [Q, K]
 */
export function greatest({ values: values_QW, ids: ids_QW }: Candidates, k: number): Candidates {
  let left_QW = values_QW;
  const values: tf.Tensor2D[] = [];
  const ids: tf.Tensor2D[] = [];
  for (let i = 0; i < k; i++) {
    const value_Q1 = tf.max<tf.Tensor2D>(left_QW, 1, true);
    const equalIds_QW = tf.where<tf.Tensor>(tf.equal(left_QW, value_Q1), ids_QW, integer(LARGEST_ID));
    const id_Q1 = tf.min<tf.Tensor2D>(equalIds_QW, 1, true);
    left_QW = tf.where(tf.equal(ids_QW, id_Q1), HIDDEN, left_QW);
    values.push(value_Q1);
    ids.push(id_Q1);
  }
  return { values: tf.concat(values, 1), ids: tf.concat(ids, 1) };
}

/**
 * The keys among which each query's K greatest are: those of the K chunks with the greatest maxima, of equals the first. What is left
 * out has, in each of K chunks, one that precedes it, so nothing is lost. One pass over the S similarities is all that a device
 * makes of them; a sort of so many would take most of its time.
 *
 * @param scores_QS similarities of the block's keys, a whole number of chunks
 * @param isSeen whether a key counts, given ids of keys that broadcast against the queries [Q, 1]
 * @param firstKey scalar int32: the id of the block's first key
 * @returns [Q, K x CHUNK_KEYS], or the block where it has no more chunks than that
 */
export function likelyKeys(
  scores_QS: tf.Tensor2D,
  firstKey: tf.Tensor,
  isSeen: (ids: tf.Tensor2D) => tf.Tensor2D,
  k: number,
): Candidates {
  const [queries, keys] = scores_QS.shape;
  const chunks = keys / CHUNK_KEYS;
  const ids_1S = tf.reshape<tf.Rank.R2>(tf.add(tf.range(0, keys, 1, "int32"), firstKey), [1, keys]);
  const seen_QS = tf.where<tf.Tensor2D>(isSeen(ids_1S), scores_QS, HIDDEN);
  if (chunks <= k) return { values: seen_QS, ids: tf.tile(ids_1S, [queries, 1]) };
  const maxima_QC = tf.max<tf.Tensor2D>(tf.reshape(seen_QS, [queries, chunks, CHUNK_KEYS]), 2);
  const chunkIds_QC = tf.tile(tf.reshape<tf.Rank.R2>(tf.range(0, chunks, 1, "int32"), [1, chunks]), [queries, 1]);
  const { ids: chunk_QK } = greatest({ values: maxima_QC, ids: chunkIds_QC }, k);
  const rows_Q1 = tf.reshape(tf.mul(tf.range(0, queries, 1, "int32"), integer(chunks)), [queries, 1]);
  const picked = tf.gather(tf.reshape(scores_QS, [queries * chunks, CHUNK_KEYS]), tf.add(chunk_QK, rows_Q1));
  const firsts_QK = tf.add(tf.mul(chunk_QK, integer(CHUNK_KEYS)), firstKey);
  const ids_QKC = tf.add(tf.reshape(firsts_QK, [queries, k, 1]), tf.range(0, CHUNK_KEYS, 1, "int32"));
  const ids = tf.reshape<tf.Rank.R2>(ids_QKC, [queries, -1]);
  // Not from the masked similarities: those would have to be written out to be picked from.
  return { values: tf.where(isSeen(ids), tf.reshape<tf.Rank.R2>(picked, [queries, -1]), HIDDEN), ids };
}
