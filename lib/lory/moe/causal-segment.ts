// Shapes: B batch, N segments, T tokens a segment, D model, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { stopGradient } from "../nn";
import { routerProbabilities } from "./router";
import { segmentMeans, type Segmentation } from "./segments";

/**
 * Causal segment routing (Lory, section 3.1, Algorithm 1): segment k > 1 is routed by the mean of segment k - 1 of the
 * same sequence; segment 1 by its own mean, without gradient.
 *
 * @param router_DE the router, [D, E]
 * @param x_BNTD the FFN's normed input in segments
 * @returns weights_BNE, each row sums to 1
 */
export function routeSegments(router_DE: tf.Tensor, x_BNTD: tf.Tensor4D, cut: Segmentation): tf.Tensor3D {
  return tf.tidy(() => {
    const [batch, , , dModel] = x_BNTD.shape;
    const numExperts = router_DE.shape[1]!;
    // Nothing follows the last segment, so that its mean routes nothing unless it is the only one.
    const deciding = Math.max(1, cut.count - 1);
    const repr_BND = tf.slice(segmentMeans(x_BNTD, cut), [0, 0, 0], [batch, deciding, dModel]);
    const probs_BNE = routerProbabilities(router_DE, repr_BND) as tf.Tensor3D;
    const first_B1E = stopGradient(tf.slice(probs_BNE, [0, 0, 0], [batch, 1, numExperts]));
    return cut.count === 1 ? first_B1E : tf.concat([first_B1E, probs_BNE], 1);
  });
}
