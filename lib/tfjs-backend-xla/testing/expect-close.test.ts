import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "vitest";
import { EXACT, expectClose } from "./expect-close";

const loose = { rtol: 1e-3, atol: 1e-3 };

beforeAll(async () => {
  await tf.setBackend("cpu");
});

test("equal numbers of equal shapes pass, whatever holds them", () => {
  const tensor = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  expectClose(tensor, tf.clone(tensor), EXACT);
  expectClose(tensor, [[1, 2], [3, 4]], EXACT); // prettier-ignore
  expectClose(tensor, { shape: [2, 2], values: Float64Array.of(1, 2, 3, 4) }, EXACT);
  expectClose(Float32Array.of(1, 2), Float64Array.of(1, 2), EXACT);
  expectClose(tf.scalar(3), 3, EXACT);
  expectClose(tf.zeros([0, 3]), { shape: [0, 3], values: [] }, EXACT);
});

test("the tolerance is absolute plus relative to the expected value", () => {
  expectClose([100.1], [100], { rtol: 1e-3, atol: 1e-3 });
  expect(() => expectClose([100.2], [100], loose)).toThrow(/1 of 1 values differ/);
  expect(() => expectClose([1], [1.0000001], EXACT)).toThrow(/1 of 1 values differ/);
});

test("the worst value is named with its indices", () => {
  const actual = [[0, 0.5, 0], [0, 0, -2]]; // prettier-ignore
  expect(() => expectClose(actual, [[0, 0, 0], [0, 0, 0]], loose)).toThrow(/2 of 6 values differ; worst: -2 at \[1, 2\]/); // prettier-ignore
});

test.each([NaN, Infinity, -Infinity])("%s fails on either side, and on both", (bad) => {
  expect(() => expectClose([1, bad], [1, 1], loose)).toThrow(`${bad} at [1]: expected 1`);
  expect(() => expectClose([1, 1], [1, bad], loose)).toThrow(`the expected value at [1] is ${bad}`);
  expect(() => expectClose([1, bad], [1, bad], loose)).toThrow(`${bad} at [1]`);
});

test("another shape fails, even with the same numbers", () => {
  expect(() => expectClose(tf.zeros([2, 3]), tf.zeros([3, 2]), loose)).toThrow("shape is [2, 3]: expected [3, 2]");
  expect(() => expectClose(tf.zeros([1]), tf.scalar(0), loose)).toThrow("shape is [1]: expected []");
  expect(() => expectClose([1, 2], [1], loose)).toThrow("shape is [2]: expected [1]");
  expect(() => expectClose([[1], [2, 3]], [[1], [2]], loose)).toThrow(/ragged/);
  expect(() => expectClose({ shape: [3], values: [1] }, [1, 2, 3], loose)).toThrow(/do not fill/);
});

test("another dtype fails, where both sides have one", () => {
  expect(() => expectClose(tf.ones([2], "int32"), tf.ones([2]), loose)).toThrow("dtype is int32: expected float32");
  expect(() => expectClose(tf.ones([1], "bool"), Float32Array.of(1), loose)).toThrow("dtype is bool: expected float32");
});
