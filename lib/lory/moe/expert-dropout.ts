// Shapes: B batch, E experts.
import * as tf from "@tensorflow/tfjs-core";

/** What the kept weights' sum is taken for at least, so that it can divide. */
const LEAST_SUM = 1e-20;

/**
 * Expert dropout (SMEAR, Muqeeth et al. 2023, arXiv 2306.03745): each expert of a row is left out with a probability, and the weights of the others are
 * scaled to sum to 1. A row that would lose all of its experts keeps them.
 *
 * @param weights_B1E sum to 1 in each row
 * @param uniform_BE numbers in [0, 1): an expert is dropped where its number is below `probability`
 */
export function dropExperts(weights_B1E: tf.Tensor3D, uniform_BE: tf.Tensor2D, probability: number): tf.Tensor3D {
  return tf.tidy(() => {
    const drawn_B1E = tf.expandDims(tf.cast(tf.greaterEqual(uniform_BE, probability), "float32"), 1);
    const losesAll_B11 = tf.sub(1, tf.max(drawn_B1E, 2, true));
    const kept_B1E = tf.mul<tf.Tensor3D>(weights_B1E, tf.add(drawn_B1E, losesAll_B11));
    return tf.div(kept_B1E, tf.maximum(tf.sum(kept_B1E, 2, true), LEAST_SUM));
  });
}
