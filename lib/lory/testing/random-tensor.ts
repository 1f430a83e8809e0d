import * as tf from "@tensorflow/tfjs-core";
import { Draws } from "./draws";

/** Standard normal numbers of a shape: equal seeds give equal numbers. */
export function randomTensor<R extends tf.Rank>(shape: tf.ShapeMap[R], seed: number): tf.Tensor<R> {
  const draws = new Draws(seed);
  const size = tf.util.sizeFromShape(shape);
  return tf.tensor<R>(
    draws.many(size, () => draws.normal()),
    shape,
    "float32",
  );
}
