// Shapes: E experts.
import * as tf from "@tensorflow/tfjs-core";
import type { ExpertParams } from "./merge";

/**
 * How far a layer's experts lie apart: the root mean square of the distance of two experts' parameters over all pairs, relative to that of the
 * parameters themselves times the square root of 2. 0 exactly where all are equal, 1 where experts of equal norm are orthogonal, as drawn ones are
 * nearly. One expert has no pair: 0.
 */
export function expertDistance({ gateUp_EDG, down_EFD }: ExpertParams): tf.Scalar {
  return tf.tidy(() => {
    const numExperts = gateUp_EDG.shape[0];
    if (numExperts === 1) return tf.fill<tf.Rank.R0>([], 0);
    const squares = [gateUp_EDG, down_EFD].map((bank) => {
      // Differences to the first expert: what is equal is 0 exactly, which a mean of all would be up to rounding only.
      const fromFirst = tf.sub(bank, tf.slice(bank, 0, 1));
      const own = tf.sum(tf.square(fromFirst));
      const together = tf.sum(tf.square(tf.sum(fromFirst, 0)));
      return { pairs: tf.sub(tf.mul(own, numExperts), together), norms: tf.sum(tf.square(bank)) };
    });
    // sum over pairs i < j of |d_i - d_j|^2 = E sum_i |d_i|^2 - |sum_i d_i|^2
    const pairs = tf.addN(squares.map((each) => each.pairs));
    const norms = tf.addN(squares.map((each) => each.norms));
    const meanSquare = tf.div(tf.relu(pairs), tf.mul(norms, numExperts - 1));
    return tf.sqrt(meanSquare as tf.Scalar);
  });
}
