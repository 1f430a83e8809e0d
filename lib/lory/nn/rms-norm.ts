// Shapes: D model, R rows (all leading axes as one).
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient";

/**
 * Root mean square normalization over the last axis: `y = x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich 2019).
 *
 * @param x_D activations, [..., D]
 * @param weight_D the gain, [D]
 * @param eps added to the mean square
 */
export function rmsNorm<T extends tf.Tensor>(x_D: T, weight_D: tf.Tensor, eps: number): T {
  const width = x_D.shape[x_D.rank - 1];
  return withGradient<T>(
    [x_D, weight_D],
    ([x, weight], save) => {
      const inverse = tf.rsqrt(tf.add(tf.mul(tf.sum(tf.square(x), -1, true), 1 / width), eps));
      save([x, weight, inverse]);
      return tf.mul<T>(tf.mul(x, inverse), weight);
    },
    // With n = x / rms: dx = (g - n mean(g n)) / rms, g = dy weight; dweight = sum over rows of dy n.
    (dy, [x, weight, inverse]) => {
      const normed = tf.mul(x, inverse);
      const dNormed = tf.mul(dy, weight);
      const along = tf.mul(tf.sum(tf.mul(dNormed, normed), -1, true), 1 / width);
      const dx = tf.mul(tf.sub(dNormed, tf.mul(normed, along)), inverse);
      const dWeight = tf.sum(tf.reshape(tf.mul(dy, normed), [-1, width]), 0);
      return [dx, dWeight];
    },
  );
}
