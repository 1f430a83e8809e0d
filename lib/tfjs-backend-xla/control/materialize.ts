import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import { optimizationBarrier } from "../stablehlo";

/**
 * The same tensor, computed as a whole before anything reads it: XLA neither computes it again inside of its readers nor merges it with an
 * equal one, such as an activation of the forward pass that its gradient should rather compute anew. It pays on processors, whose loops
 * over memory XLA splits there; on other devices, and other backends than `xla`, it is the tensor as it is. The gradient passes through.
 */
export function materialize<T extends tf.Tensor>(x: T): T {
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend) || backend.device.kind !== "cpu") return x;
  const held = tf.customGrad<T>((input) => {
    const [value] = optimizationBarrier([backend.valueFor(input as T)]);
    const result = tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(value)) as T;
    return { value: result, gradFunc: (dy) => [dy] };
  });
  return held(x);
}
