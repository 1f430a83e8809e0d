import * as tf from "@tensorflow/tfjs-core";

/** Keeps tensors that `backward` needs; they come back, in order, as its second argument. */
export type Save = (tensors: tf.Tensor[]) => void;

/**
 * Computes `forward(inputs)` and differentiates it by `backward` instead of by the operations inside.
 *
 * A typed front to `tf.customGrad`. Everything that `backward` reads must be saved, since a surrounding `tf.tidy` may
 * have disposed the rest by then; neither function reads a tensor's values, so that both can be traced.
 *
 * @param inputs the tensors differentiated by
 * @param backward returns one gradient for each input, in order, each of its input's shape
 */
export function withGradient<T extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: (inputs: tf.Tensor[], save: Save) => T,
  backward: (dy: T, saved: tf.Tensor[]) => tf.Tensor[],
): T {
  const run = tf.customGrad<T>((...args) => {
    const tensors = args.slice(0, inputs.length) as tf.Tensor[];
    const save = args[inputs.length] as Save;
    return { value: forward(tensors, save), gradFunc: backward };
  });
  return run(...inputs);
}
