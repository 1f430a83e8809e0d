import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { climb, randomTensor, useTestBackend } from "../testing";
import { gatedSilu, swiglu } from "./swiglu";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

/** The formula in plain operations, which tfjs differentiates by itself. */
function plain(gateUp_G: tf.Tensor): tf.Tensor {
  const [gate, up] = tf.split(gateUp_G, 2, -1);
  return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
}

test.each([[[2]], [[3, 10]], [[2, 3, 4]]])("value and gradient equal the formula's, shape %j", (shape) => {
  const x = tf.mul(randomTensor(shape, 1), 3);
  const dy = randomTensor([...shape.slice(0, -1), shape[shape.length - 1] / 2], 2);
  expectClose(swiglu(x), plain(x), CLOSE);
  expectClose(tf.grad((t: tf.Tensor) => swiglu(t))(x, dy), tf.grad(plain)(x, dy), CLOSE);
  const ofTwo = (t: tf.Tensor): tf.Tensor => {
    const [gate, up] = tf.split(t, 2, -1);
    return gatedSilu(gate, up);
  };
  expectClose(ofTwo(x), plain(x), CLOSE);
  expectClose(tf.grad(ofTwo)(x, dy), tf.grad(plain)(x, dy), CLOSE);
});

test("gates far from 0 pass all or nothing, with finite gradients", () => {
  const x = tf.tensor1d([1000, -1000, 2, 2]);
  expectClose(swiglu(x), [2000, 0], CLOSE);
  expectClose(tf.grad((t: tf.Tensor) => swiglu(t))(x), [2, 0, 1000, 0], CLOSE);
});

test.each([
  [1, 1],
  [3, 5],
])("the ladder, %i rows of %i", async (rows, width) => {
  await climb({
    shapes: [[rows, 2 * width]],
    reference: ([x]) =>
      Array.from({ length: rows * width }, (_, i) => {
        const at = Math.floor(i / width) * 2 * width + (i % width);
        return (x[at] / (1 + Math.exp(-x[at]))) * x[at + width];
      }),
    fn: ([gateUp_RG]) => swiglu(gateUp_RG),
  });
});
