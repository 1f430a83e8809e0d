import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient";

/** The identity, whose gradient is zero. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    ([input]) => tf.clone(input as T),
    (dy) => [tf.zerosLike(dy)],
  );
}
