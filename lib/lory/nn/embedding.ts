// Shapes: V vocabulary, D model.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient";

/**
 * The rows of a table that tokens name.
 *
 * @param table_VD [V, D]
 * @param tokens int32, any shape, values in 0 .. V - 1
 * @returns [...tokens.shape, D]
 */
export function embedding(table_VD: tf.Tensor, tokens: tf.Tensor): tf.Tensor {
  const [vocabSize, dModel] = table_VD.shape;
  return withGradient(
    [table_VD],
    ([table], save) => {
      const flat_R = tf.reshape<tf.Rank.R1>(tokens, [-1]);
      save([flat_R]);
      return tf.reshape(tf.gather(table, flat_R), [...tokens.shape, dModel]);
    },
    // Rows of the same token add up in a scatter.
    (dy, [flat_R]) => [tf.scatterND(tf.reshape(flat_R, [-1, 1]), tf.reshape(dy, [-1, dModel]), [vocabSize, dModel])],
  );
}
