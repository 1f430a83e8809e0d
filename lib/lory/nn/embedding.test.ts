import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { useTestBackend } from "../testing";
import { embedding } from "./embedding";

beforeAll(useTestBackend);

test("tokens name rows, in any shape", () => {
  const table = tf.tensor2d([[1, 2], [3, 4], [5, 6]]); // prettier-ignore
  expectClose(embedding(table, tf.tensor2d([[2, 0], [1, 1]], [2, 2], "int32")), [[[5, 6], [1, 2]], [[3, 4], [3, 4]]], EXACT); // prettier-ignore
  expectClose(embedding(table, tf.scalar(1, "int32")), [3, 4], EXACT);
});

test("the gradient of a row is the sum over its occurrences, 0 without any", () => {
  const table = tf.zeros([4, 2]);
  const tokens = tf.tensor2d([[3, 0], [3, 3]], [2, 2], "int32"); // prettier-ignore
  const dy = tf.tensor3d([[[1, 2], [10, 20]], [[100, 200], [1000, 2000]]]); // prettier-ignore
  const grad = tf.grad((t: tf.Tensor) => embedding(t, tokens))(table, dy);
  expectClose(grad, [[10, 20], [0, 0], [0, 0], [1101, 2202]], EXACT); // prettier-ignore
});
