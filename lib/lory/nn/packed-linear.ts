// Shapes: I inputs, O outputs of one matrix, P = count O outputs of all.
import * as tf from "@tensorflow/tfjs-core";
import { deviceKind } from "tfjs-backend-xla";
import { linear } from "./linear";

/**
 * `x W_1`, `x W_2`, ... of matrices that lie side by side in one.
 *
 * One product, cut into its parts; on GPUs, where products of a part are large enough by themselves, one product each. There the gradient
 * of a cut costs more than it saves: the parts' gradients are copied side by side for each product that reads them, which took a twentieth of
 * the step of a 24-layer model.
 *
 * @param x_I activations, [..., I]
 * @param w_IP [I, count O]
 * @returns `count` tensors [..., O]
 */
export function packedLinear(x_I: tf.Tensor, w_IP: tf.Tensor, count: number): tf.Tensor[] {
  if (deviceKind() !== "cuda") return tf.split(linear(x_I, w_IP), count, -1);
  const [inputs, packed] = w_IP.shape as [number, number];
  const outputs = packed / count;
  return Array.from({ length: count }, (_, i) => linear(x_I, tf.slice(w_IP, [0, i * outputs], [inputs, outputs])));
}
