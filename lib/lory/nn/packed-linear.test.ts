import * as tf from "@tensorflow/tfjs-core";
import { jit, XlaBackend } from "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { asCuda, randomTensor, useTestBackend } from "../testing";
import { packedLinear } from "./packed-linear";

const CLOSE = { rtol: 1e-5, atol: 1e-5 };

beforeAll(useTestBackend);
afterEach(() => vi.restoreAllMocks());

/** The parts' sum of squares, weighted so that each part counts differently, with its gradients. */
function valueAndGrads(x: tf.Tensor, w: tf.Tensor, count: number) {
  const loss = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
    tf.addN(packedLinear(a, b, count).map((part, i) => tf.mul<tf.Scalar>(tf.sum(tf.square(part)), i + 1)));
  return tf.valueAndGrads(loss)([x, w]);
}

test.each([
  { shape: [3, 5], outputs: 4, count: 2 },
  { shape: [2, 3, 5], outputs: 1, count: 3 },
])("$count matrices on $shape: the parts of one product, and its gradients", async ({ shape, outputs, count }) => {
  const [x, w] = [randomTensor(shape, 1), randomTensor([5, count * outputs], 2)];
  const whole = tf.reshape(tf.matMul(tf.reshape(x, [-1, 5]), w as tf.Tensor2D), [
    ...shape.slice(0, -1),
    count * outputs,
  ]);
  expectClose(tf.concat(packedLinear(x, w, count), -1), whole, CLOSE);
  if (!(tf.backend() instanceof XlaBackend)) return;
  const onThisDevice = valueAndGrads(x, w, count);
  const compile = vi.spyOn((tf.backend() as XlaBackend).device, "compileAsync");
  /** Products in the program of the forward pass. */
  const products = async (): Promise<number> => {
    await jit((a: tf.Tensor, b: tf.Tensor) => packedLinear(a, b, count)).prepare(x, w);
    return compile.mock.lastCall![0].split("dot_general").length - 1;
  };
  expect(await products()).toBe(1);
  await asCuda(async () => {
    const onGpu = valueAndGrads(x, w, count);
    expect(await products()).toBe(count);
    expectClose(onGpu.value, onThisDevice.value, CLOSE);
    onGpu.grads.forEach((grad, i) => expectClose(grad, onThisDevice.grads[i], CLOSE));
  });
});
