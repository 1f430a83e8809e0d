import * as tf from "@tensorflow/tfjs-core";

/**
 * The share that the newest weights have in a running mean of `updates` weights whose shares fall by `decay` from one to the one before it, and
 * sum to 1: `(1 - decay) / (1 - decay^updates)`. So the mean needs no start of its own, and the first one is the weights themselves.
 *
 * @param updates counted from 1, this one included
 */
export function emaRate(updates: number, decay: number): number {
  return (1 - decay) / (1 - decay ** updates);
}

/** The running mean after one more step: `mean + rate (param - mean)`. */
export function averaged<T extends tf.Tensor>(mean: T, param: tf.Tensor, rate: tf.Scalar): T {
  return tf.tidy(() => tf.add<T>(mean, tf.mul(tf.sub(param, mean), rate)));
}
