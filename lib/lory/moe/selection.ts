// Shapes: X tokens, K experts a token, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../nn";

/**
 * The K highest of each row's scores as one-hot rows, [X, K, E], the highest first, equal ones in order of index. The selection is a constant
 * to gradients: that by each of the inputs is zero.
 *
 * @param scores_XE what is compared
 * @param bias_E added to the scores of every row
 */
export function selectHighest(scores_XE: tf.Tensor2D, count: number, bias_E?: tf.Tensor): tf.Tensor3D {
  const numExperts = scores_XE.shape[1];
  return withGradient<tf.Tensor3D>(
    bias_E === undefined ? [scores_XE] : [scores_XE, bias_E],
    ([scores, bias], save) => {
      save(bias === undefined ? [scores] : [scores, bias]);
      const { indices } = tf.topk(bias === undefined ? scores : tf.add(scores, bias), count);
      // tf.oneHot refuses a single expert.
      const experts_E = tf.range(0, numExperts, 1, "int32");
      return tf.cast(tf.equal<tf.Tensor3D>(tf.expandDims(indices, 2), experts_E), "float32");
    },
    (_, saved) => saved.map((input) => tf.zerosLike(input)),
  );
}
