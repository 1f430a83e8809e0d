import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { climb, randomTensor, useTestBackend } from "../testing";
import { rmsNorm } from "./rms-norm";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

/** The formula in plain operations, which tfjs differentiates by itself. */
function plain(x_D: tf.Tensor, weight_D: tf.Tensor, eps: number): tf.Tensor {
  const width = x_D.shape[x_D.rank - 1];
  const meanSquare = tf.div(tf.sum(tf.square(x_D), -1, true), width);
  return tf.mul(tf.div(x_D, tf.sqrt(tf.add(meanSquare, eps))), weight_D);
}

test.each([[[3]], [[2, 1]], [[2, 3, 5]]])("value and gradients equal the formula's, shape %j", (shape) => {
  const x_D = randomTensor(shape, 1);
  const weight_D = randomTensor(shape.slice(-1), 2);
  const dy = randomTensor(shape, 3);
  for (const eps of [1e-5, 0.5]) {
    expectClose(rmsNorm(x_D, weight_D, eps), plain(x_D, weight_D, eps), CLOSE);
    const actual = tf.grads((x, w) => rmsNorm(x, w, eps))([x_D, weight_D], dy);
    const expected = tf.grads((x, w) => plain(x, w, eps))([x_D, weight_D], dy);
    actual.forEach((grad, i) => expectClose(grad, expected[i], CLOSE));
  }
});

test("a row of zeros stays zero, with finite gradients", () => {
  const [x_D, weight_D] = [tf.zeros([1, 4]), tf.ones([4])];
  expectClose(rmsNorm(x_D, weight_D, 1e-5), tf.zeros([1, 4]), CLOSE);
  const [dx, dWeight] = tf.grads((x, w) => rmsNorm(x, w, 1e-5))([x_D, weight_D]);
  expectClose(dx, tf.fill([1, 4], 1 / Math.sqrt(1e-5)), CLOSE);
  expectClose(dWeight, tf.zeros([4]), CLOSE);
});

test.each([
  [1, 1],
  [1, 6],
  [5, 3],
])("the ladder, %i rows of %i", async (rows, width) => {
  const eps = 1e-2;
  await climb({
    shapes: [[rows, width], [width]],
    reference: ([x, weight]) =>
      x.map((value, i) => {
        const row = x.subarray(i - (i % width), i - (i % width) + width);
        const meanSquare = row.reduce((sum, each) => sum + each * each, 0) / width;
        return (value / Math.sqrt(meanSquare + eps)) * weight[i % width];
      }),
    fn: ([x_RD, weight_D]) => rmsNorm(x_RD, weight_D, eps),
  });
});
