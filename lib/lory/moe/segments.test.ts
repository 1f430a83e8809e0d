import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { useTestBackend } from "../testing";
import { joinSegments, segmentation, segmentMeans, splitSegments } from "./segments";

beforeAll(useTestBackend);

const count = (batch: number, length: number): tf.Tensor3D =>
  tf.reshape(tf.range(1, batch * length * 2 + 1, 1, "float32"), [batch, length, 2]);

test.each([
  [8, 4, { count: 2, length: 4, lastLength: 4 }],
  [9, 4, { count: 3, length: 4, lastLength: 1 }],
  [11, 4, { count: 3, length: 4, lastLength: 3 }],
  [3, 4, { count: 1, length: 3, lastLength: 3 }],
  [4, 4, { count: 1, length: 4, lastLength: 4 }],
  [5, 1, { count: 5, length: 1, lastLength: 1 }],
  [1, 1, { count: 1, length: 1, lastLength: 1 }],
])("%i tokens in segments of %i", (length, segmentLength, expected) => {
  expect(segmentation(length, segmentLength)).toEqual(expected);
});

test.each([
  [8, 4],
  [9, 4],
  [11, 4],
  [3, 4],
  [5, 1],
])("splitting %i tokens by %i and joining gives them back, and their gradient", (length, segmentLength) => {
  const x_BLD = count(2, length);
  const cut = segmentation(length, segmentLength);
  const round = (x: tf.Tensor): tf.Tensor => joinSegments(splitSegments(x as tf.Tensor3D, cut), length);
  expectClose(round(x_BLD), x_BLD, EXACT);
  expectClose(tf.grad(round)(x_BLD, x_BLD), x_BLD, EXACT);
});

test("a segment's mean is that of its own tokens, the last one's too", () => {
  const x_BLD = tf.tensor3d([[[1], [2], [6], [3], [5]], [[0], [0], [3], [7], [8]]]); // prettier-ignore
  const cut = segmentation(5, 3);
  const means = (x: tf.Tensor): tf.Tensor => segmentMeans(splitSegments(x as tf.Tensor3D, cut), cut);
  expectClose(means(x_BLD), [[[3], [4]], [[1], [7.5]]], { rtol: 1e-6, atol: 0 }); // prettier-ignore
  const dy = tf.tensor3d([[[3], [2]], [[30], [20]]]); // prettier-ignore
  const grad = tf.grad(means)(x_BLD, dy);
  expectClose(grad, [[[1], [1], [1], [1], [1]], [[10], [10], [10], [10], [10]]], { rtol: 1e-6, atol: 0 }); // prettier-ignore
});
