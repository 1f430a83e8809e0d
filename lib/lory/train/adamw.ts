import * as tf from "@tensorflow/tfjs-core";
import { emaRate } from "./ema";
import { learningRateAt } from "./schedule";
import type { OptimizerConfig } from "./run-config";

/** What changes from step to step in the update, as scalars on the device: the compiled program stays the same. */
export interface StepScalars {
  readonly learningRate: tf.Scalar;
  /** 1 - beta1^step */
  readonly firstCorrection: tf.Scalar;
  /** 1 - beta2^step */
  readonly secondCorrection: tf.Scalar;
  /** Share that the weights of this step have in their running mean; only where one is kept. */
  readonly emaRate?: tf.Scalar;
}

/** From where on a step's scalars count, beside the schedule, which counts from the beginning. */
export interface CountedFrom {
  /** Steps before the optimizer's running means began, 0 by default. */
  readonly moments?: number;
  /** Steps before the running mean of the weights began; and its decay, 0 for none. */
  readonly ema?: { readonly start: number; readonly decay: number };
}

/** One tensor with AdamW's running means of its gradient and of its gradient's square. */
export interface AdamWTensor {
  readonly param: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

/** The scalars of a step, counted from 1; computed in float64 and rounded once. The caller disposes them. */
export function stepScalars(
  step: number,
  totalSteps: number,
  optimizer: OptimizerConfig,
  { moments = 0, ema }: CountedFrom = {},
): StepScalars {
  const updates = step - moments;
  return {
    learningRate: tf.scalar(learningRateAt(step, totalSteps, optimizer)),
    firstCorrection: tf.scalar(1 - optimizer.beta1 ** updates),
    secondCorrection: tf.scalar(1 - optimizer.beta2 ** updates),
    ...(ema && ema.decay > 0 ? { emaRate: tf.scalar(emaRate(step - ema.start, ema.decay)) } : {}),
  };
}

/** The Euclidean norm of all tensors taken as one vector. */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => tf.sqrt(tf.addN(tensors.map((tensor) => tf.sum<tf.Scalar>(tf.square(tensor))))));
}

/** What gradients of norm `norm` are multiplied by so that it becomes `clipNorm` at most. */
export function clipScale(norm: tf.Scalar, clipNorm: number): tf.Scalar {
  // At norm 0 the quotient is infinite and the minimum 1.
  return tf.tidy(() => tf.minimum(tf.div(clipNorm, norm), 1));
}

/**
 * One AdamW update of one tensor (Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2), as one elementwise
 * expression that a compiler can fuse. Tensors with fewer than two axes, the norms' gains, are not decayed.
 *
 * @param grad before clipping
 * @param scale of the gradient, from `clipScale`
 */
export function adamW(
  { param, m, v }: AdamWTensor,
  grad: tf.Tensor,
  scale: tf.Scalar,
  scalars: StepScalars,
  optimizer: OptimizerConfig,
): AdamWTensor {
  const { beta1, beta2, eps, weightDecay } = optimizer;
  return tf.tidy(() => {
    const g = tf.mul(grad, scale);
    const nextM = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1));
    const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const deviation = tf.add(tf.sqrt(tf.div(nextV, scalars.secondCorrection)), eps);
    const step = tf.div(tf.div(nextM, scalars.firstCorrection), deviation);
    const decayed = param.rank >= 2 ? tf.add(step, tf.mul(param, weightDecay)) : step;
    return { param: tf.sub(param, tf.mul(decayed, scalars.learningRate)), m: nextM, v: nextV };
  });
}
