// Shapes: B batch, N units, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { selectHighest } from "./selection";

/** How many experts a soft mixture keeps when it is made sparse after training (Lory, section 4.9). */
export interface KeptExperts {
  /** Those of the highest weights, equal ones in order of index; E or more keeps all. */
  readonly count: number;
  /** Whether their weights are divided by their sum, so that the merged network is an average again. */
  readonly renormalize: boolean;
}

/**
 * Routing weights of which only the highest are left, [B, N, E]; the very weights that were given where all are kept.
 *
 * @throws RangeError if `count` is no integer of at least 1
 */
export function keptWeights(weights_BNE: tf.Tensor3D, keep: KeptExperts | undefined): tf.Tensor3D {
  if (keep === undefined) return weights_BNE;
  const { count, renormalize } = keep;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`count is ${count}: expected an integer of at least 1, the experts that are kept`);
  }
  const [batch, units, numExperts] = weights_BNE.shape;
  if (count >= numExperts) return weights_BNE;
  return tf.tidy(() => {
    const weights_VE: tf.Tensor2D = tf.reshape(weights_BNE, [batch * units, numExperts]);
    const kept_VE = tf.mul<tf.Tensor2D>(weights_VE, tf.sum(selectHighest(weights_VE, count), 1));
    const scaled_VE = renormalize ? tf.div<tf.Tensor2D>(kept_VE, tf.sum(kept_VE, 1, true)) : kept_VE;
    return tf.reshape(scaled_VE, weights_BNE.shape);
  });
}
