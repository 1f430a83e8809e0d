import * as tf from "@tensorflow/tfjs-core";

/** Runs a function without the gradients under way: `tf.grads` inside of it begins anew, and what it runs is not recorded for them. */
export function withoutTape<T>(fn: () => T): T {
  const { state } = tf.engine();
  const { activeTape, gradientDepth, kernelDepth } = state;
  Object.assign(state, { activeTape: null, gradientDepth: 0, kernelDepth: 0 });
  try {
    return fn();
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** How many times what runs now will be differentiated. */
export function differentiationOrder(): number {
  return tf.engine().isTapeOn() ? tf.engine().state.gradientDepth : 0;
}

/**
 * Tells the gradients under way how to differentiate what has just been computed.
 * @param saved what `gradient` reads; disposed of when the gradients have been computed.
 * @param gradient the inputs' gradients, in order, from those of the outputs.
 */
export function recordGradient(
  name: string,
  inputs: readonly tf.Tensor[],
  outputs: readonly tf.Tensor[],
  saved: readonly tf.Tensor[],
  gradient: (dys: readonly tf.Tensor[]) => readonly tf.Tensor[],
): void {
  const { state } = tf.engine();
  for (const tensor of saved) tf.keep(tensor);
  state.activeTape.push({
    id: state.nextTapeNodeId++,
    kernelName: name,
    inputs: Object.fromEntries(inputs.map((tensor, i) => [i, tensor])),
    outputs: [...outputs],
    saved: [...saved],
    gradient: (dys: (tf.Tensor | null)[]) => {
      const known = dys.map((dy, i) => dy ?? tf.fill(outputs[i].shape, 0)); // null: nothing hangs on that output
      return Object.fromEntries(gradient(known).map((dx, i) => [i, () => dx]));
    },
  });
}
