import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, expect, it } from "vitest";
import "../index";
import { jit, materialize, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";

beforeEach(async () => {
  await tf.setBackend("xla");
});

const squares = (x: tf.Tensor): tf.Tensor => tf.mul(materialize(tf.square(x)), 3);

it("changes no value, eagerly and compiled, and lets gradients through", () => {
  const x = tf.tensor1d([1, -2, 5]);
  expectClose(squares(x), [3, 12, 75], EXACT);
  const { value, grad } = jit((t: tf.Tensor) => ({ value: squares(t), grad: tf.grad(squares)(t) }))(x);
  expectClose(value, [3, 12, 75], EXACT);
  expectClose(grad, [6, -12, 30], EXACT);
});

it("is a barrier on CPUs alone", () => {
  const { kind } = (tf.backend() as XlaBackend).device;
  const module = jit(squares).lower(tf.tensor1d([1]));
  expect(module?.includes("optimization_barrier")).toBe(kind === "cpu");
});

it("is the tensor itself on other backends", async () => {
  await tf.setBackend("cpu");
  const x = tf.tensor1d([1, 2]);
  expect(materialize(x)).toBe(x);
});
