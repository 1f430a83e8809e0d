import * as tf from "@tensorflow/tfjs-core";

/**
 * `x W`, without a bias.
 *
 * All leading axes are flattened into one, so that the product is one plain matrix product of [rows, I] and [I, O].
 *
 * @param x_I activations, [..., I]
 * @param w_IO weights, [I, O]
 * @returns [..., O]
 */
export function linear(x_I: tf.Tensor, w_IO: tf.Tensor): tf.Tensor {
  const [inputs, outputs] = w_IO.shape;
  const y_RO = tf.matMul(tf.reshape(x_I, [-1, inputs]), w_IO);
  return tf.reshape(y_RO, [...x_I.shape.slice(0, -1), outputs]);
}
