// Shapes: B batch, L context, D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { routerProbabilities } from "./router";

/**
 * Prompt-only routing (Lory, section 3.1, inference): one decision a row, from the mean of the row's own prompt tokens.
 *
 * @param router_DE the router, [D, E]
 * @param x_BLD the FFN's normed input
 * @param promptLength_B tokens of each row's prompt, 1 .. L; a row without a prompt is routed by a zero mean, uniformly
 * @returns weights_B1E, each row sums to 1
 */
export function routePrompt(router_DE: tf.Tensor, x_BLD: tf.Tensor3D, promptLength_B: tf.Tensor1D): tf.Tensor3D {
  return tf.tidy(() => {
    const [batch, length] = x_BLD.shape;
    const lengths_B1 = tf.reshape(tf.cast(promptLength_B, "float32"), [batch, 1]);
    const positions_1L = tf.reshape(tf.range(0, length, 1, "float32"), [1, length]);
    const inPrompt_BL = tf.cast(tf.less(positions_1L, lengths_B1), "float32");
    const share_B1L: tf.Tensor3D = tf.reshape(tf.div(inPrompt_BL, tf.maximum(lengths_B1, 1)), [batch, 1, length]);
    return routerProbabilities(router_DE, tf.matMul(share_B1L, x_BLD)) as tf.Tensor3D;
  });
}
