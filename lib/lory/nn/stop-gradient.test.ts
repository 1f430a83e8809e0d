import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { useTestBackend } from "../testing";
import { stopGradient } from "./stop-gradient";

beforeAll(useTestBackend);

test("the value passes, the gradient does not", () => {
  const x = tf.tensor1d([2, -3]);
  expectClose(stopGradient(x), x, EXACT);
  // d/dx x stop(x) is stop(x), not 2 x.
  expectClose(tf.grad((t: tf.Tensor) => tf.mul(t, stopGradient(t)))(x), x, EXACT);
  expectClose(tf.grad((t: tf.Tensor) => stopGradient(tf.square(t)))(x), tf.zeros([2]), EXACT);
});
