// Shapes: R rows (all leading axes as one), V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import { deviceKind, materialize } from "tfjs-backend-xla";
import { withGradient } from "./with-gradient";

/** What the gradient needs of a row's logits: their maximum, and the logarithm of the sum of exp(logit - maximum). */
type RowSums = { max_R1: tf.Tensor; logSum_R1: tf.Tensor };

/**
 * Cross entropy of each target under its row's softmax, in nats: `log sum exp(logits - max) - (logits[target] - max)`,
 * which keeps its digits however large the logits are.
 *
 * The forward pass picks the target's logit by a gather; the gradient is `softmax(logits) - onehot(target)`, with the one-hot as a comparison
 * inside an elementwise expression. The softmax is never stored: the gradient is computed from the exponentials, or on GPUs from the logits,
 * which are half as large where products are rounded to bfloat16.
 *
 * @param logits_V [..., V]
 * @param targets int32, the leading shape of the logits, values in 0 .. V - 1
 * @returns nats a token, of the shape of `targets`
 */
export function crossEntropyNats(logits_V: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  const vocabSize = logits_V.shape[logits_V.rank - 1];
  if (deviceKind() === "cuda") return fromKeptLogits(logits_V, targets);
  return withGradient(
    [logits_V],
    ([logits], save) => {
      const logits_RV = tf.reshape(logits, [-1, vocabSize]);
      const targets_R = tf.reshape(targets, [-1]);
      const { nats_R1, weights_RV, sum_R1 } = rowSoftmax(logits_RV, targets_R);
      save([weights_RV, sum_R1, targets_R]);
      return tf.reshape(nats_R1, targets.shape);
    },
    (dy, [weights_RV, sum_R1, targets_R]) => {
      const dy_R1 = tf.reshape(dy, [-1, 1]);
      const soft_RV = tf.mul(weights_RV, tf.div(dy_R1, sum_R1));
      const hot_RV = tf.where(isTarget(targets_R, vocabSize), dy_R1, 0);
      return [tf.reshape(tf.sub(soft_RV, hot_RV), logits_V.shape)];
    },
  );
}

/** `crossEntropyNats` with a gradient that computes the exponentials again. */
function fromKeptLogits(logits_V: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  return withGradient(
    [logits_V],
    ([logits], save) => {
      const logits_RV = tf.reshape(logits, [-1, logits.shape[logits.rank - 1]]);
      const targets_R = tf.reshape(targets, [-1]);
      const { nats_R1, max_R1, logSum_R1 } = rowLosses(logits_RV, targets_R);
      save([logits_RV, max_R1, logSum_R1, targets_R]);
      return tf.reshape(nats_R1, targets.shape);
    },
    (dy, [logits_RV, max_R1, logSum_R1, targets_R]) => {
      const dLogits_RV = rowGradients(logits_RV as tf.Tensor2D, targets_R, { max_R1, logSum_R1 }, dy);
      return [tf.reshape(dLogits_RV, logits_V.shape)];
    },
  );
}

/** The loss of each row, and what its gradient needs. */
export function rowLosses(logits_RV: tf.Tensor, targets_R: tf.Tensor): RowSums & { nats_R1: tf.Tensor } {
  const { nats_R1, max_R1, logSum_R1 } = rowSoftmax(logits_RV, targets_R);
  return { nats_R1, max_R1, logSum_R1 };
}

/** The loss of each row with the softmax's numerators `exp(logit - max)`, computed once for their sum and for who else reads them. */
function rowSoftmax(logits_RV: tf.Tensor, targets_R: tf.Tensor) {
  const max_R1 = tf.max(logits_RV, -1, true);
  const weights_RV = materialize(tf.exp(tf.sub(logits_RV, max_R1)));
  const sum_R1 = tf.sum(weights_RV, -1, true);
  const logSum_R1 = tf.log(sum_R1);
  const picked_R = tf.gatherND(logits_RV, rowAndTarget(targets_R));
  const shifted_R1 = tf.sub(tf.reshape(picked_R, [-1, 1]), max_R1);
  return { nats_R1: tf.sub(logSum_R1, shifted_R1), max_R1, logSum_R1, weights_RV, sum_R1 };
}

/** The gradient by the logits of `sum of dy nats`; dy has R elements, in any shape. */
export function rowGradients(
  logits_RV: tf.Tensor2D,
  targets_R: tf.Tensor,
  { max_R1, logSum_R1 }: RowSums,
  dy: tf.Tensor,
): tf.Tensor2D {
  const vocabSize = logits_RV.shape[1];
  const probs_RV = tf.exp(tf.sub(tf.sub(logits_RV, max_R1), logSum_R1));
  const hot_RV = tf.cast(isTarget(targets_R, vocabSize), "float32");
  return tf.mul<tf.Tensor2D>(tf.sub(probs_RV, hot_RV), tf.reshape(dy, [-1, 1]));
}

/** [R, V]: whether a piece is its row's target. */
function isTarget(targets_R: tf.Tensor, vocabSize: number): tf.Tensor2D {
  const pieces_1V = tf.range(0, vocabSize, 1, "int32");
  return tf.equal<tf.Tensor2D>(tf.reshape(targets_R, [-1, 1]), tf.reshape(pieces_1V, [1, -1]));
}

/** [R, 2]: each row's number and its target. */
function rowAndTarget(targets_R: tf.Tensor): tf.Tensor {
  const rows_R = tf.range(0, targets_R.size, 1, "int32");
  return tf.concat([tf.reshape(rows_R, [-1, 1]), tf.reshape(targets_R, [-1, 1])], 1);
}

/** The mean of `crossEntropyNats` over all targets, a scalar. */
export function meanCrossEntropyNats(logits_V: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  return tf.tidy(() => tf.mul(tf.sum(crossEntropyNats(logits_V, targets)), 1 / targets.size));
}
