/** What the tests of control flow share: the same function as a compiled one, recorded, and run as a plain loop. */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { jit, type XlaBackend } from "../index";
import { expectClose, type ShapedValues } from "./expect-close";

/** What `fn` gives on tfjs's own CPU backend, where a scan is a loop of kernels. */
async function onCpu(fn: () => tf.Tensor[]): Promise<ShapedValues[]> {
  await tf.setBackend("cpu");
  try {
    return tf.tidy(fn).map((t) => ({ shape: t.shape, dtype: t.dtype, values: t.dataSync() }));
  } finally {
    await tf.setBackend("xla");
  }
}

export const CLOSE = { rtol: 1e-5, atol: 1e-6 };

/** Runs `fn` three ways: in a compiled function, on its own, and as a loop on the CPU backend. */
export async function expectSame(fn: () => tf.Tensor[], tolerance = CLOSE): Promise<void> {
  const expected = await onCpu(fn);
  const compiled = jit(fn)();
  const recorded = fn();
  await (tf.backend() as XlaBackend).sync();
  expected.forEach((value, i) => {
    expectClose(compiled[i], value, tolerance);
    expectClose(recorded[i], value, tolerance);
  });
}

/** Numbers from -1 to 1 that no symmetry makes equal. */
export const numbers = (shape: number[], phase: number): tf.Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + phase)),
    shape,
  );
};
