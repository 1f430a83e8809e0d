// Shapes: B batch, L context.
import * as tf from "@tensorflow/tfjs-core";

/**
 * Which document each position belongs to: how many documents have ended before it. The token that ends a document is its last.
 *
 * @param tokens_BL int32, [B, L]
 * @param endToken what every document ends with, and none has inside
 * @returns int32, [B, L], as `causalMixer` takes it
 */
export function documentIds(tokens_BL: tf.Tensor2D, endToken: number): tf.Tensor2D {
  return tf.tidy(() => {
    const ends_BL = tf.cast(tf.equal(tokens_BL, tf.scalar(endToken, "int32")), "int32");
    return tf.cumsum<tf.Tensor2D>(ends_BL, 1, true);
  });
}
