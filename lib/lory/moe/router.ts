// Shapes: D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../nn";

/** Routing weights `softmax(repr R)` over the experts: [..., D] and [D, E] to [..., E]. */
export function routerProbabilities(router_DE: tf.Tensor, repr_D: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.softmax(linear(repr_D, router_DE)));
}
