// Shapes: D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { precision } from "tfjs-backend-xla";
import { linear } from "../nn";

/**
 * A router's scores `repr R`: [..., D] and [D, E] to [..., E]. In f32 whatever the precision around it: routers are sensitive to rounding
 * (Fedus et al. 2021, arXiv 2101.03961, section 2.4), and this product is small.
 */
export function routerLogits(router_DE: tf.Tensor, repr_D: tf.Tensor): tf.Tensor {
  return precision("highest", () => linear(repr_D, router_DE));
}

/** Routing weights `softmax(repr R)` over the experts: [..., D] and [D, E] to [..., E]. */
export function routerProbabilities(router_DE: tf.Tensor, repr_D: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.softmax(routerLogits(router_DE, repr_D)));
}
