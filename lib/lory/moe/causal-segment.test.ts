import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { randomTensor, useTestBackend } from "../testing";
import { routeSegments } from "./causal-segment";
import { segmentation, splitSegments } from "./segments";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };
const [B, L, T, D, E] = [3, 10, 4, 5, 4];

beforeAll(useTestBackend);

const route = (router_DE: tf.Tensor, x_BLD: tf.Tensor): tf.Tensor3D => {
  const cut = segmentation(x_BLD.shape[1]!, T);
  return routeSegments(router_DE, splitSegments(x_BLD as tf.Tensor3D, cut), cut);
};

/** What the mean of tokens start .. end - 1 of each sequence says, [B, 1, E]. */
const says = (router_DE: tf.Tensor, x_BLD: tf.Tensor, start: number, end: number): tf.Tensor => {
  const mean_BD = tf.mean(tf.slice(x_BLD, [0, start, 0], [-1, end - start, -1]), 1);
  return tf.expandDims(tf.softmax(tf.matMul(mean_BD, router_DE)), 1);
};

test("each segment is routed by the one before it in its own sequence, the first by itself", () => {
  const [router_DE, x_BLD] = [randomTensor([D, E], 1), randomTensor([B, L, D], 2)];
  const [first, second] = [says(router_DE, x_BLD, 0, 4), says(router_DE, x_BLD, 4, 8)];
  expectClose(route(router_DE, x_BLD), tf.concat([first, first, second], 1), CLOSE);
});

test("a sequence of one segment is routed by itself", () => {
  const [router_DE, x_BLD] = [randomTensor([D, E], 1), randomTensor([B, 3, D], 2)];
  expectClose(route(router_DE, x_BLD), says(router_DE, x_BLD, 0, 3), CLOSE);
});

test("segment 1's own use has no gradient, its use by segment 2 does", () => {
  const [router_DE, x_BLD, dy] = [randomTensor([D, E], 1), randomTensor([B, L, D], 2), randomTensor([B, 3, E], 3)];
  const [dRouter, dX] = tf.grads(route)([router_DE, x_BLD], dy);
  const stopped = (router: tf.Tensor, x: tf.Tensor): tf.Tensor => {
    const constant = tf.slice(dy, [0, 0, 0], [-1, 1, -1]);
    return tf.concat([constant, says(router, x, 0, 4), says(router, x, 4, 8)], 1);
  };
  const expected = tf.grads(stopped)([router_DE, x_BLD], dy);
  expectClose(dRouter, expected[0], CLOSE);
  expectClose(dX, expected[1], CLOSE);

  const onlyFirst = tf.mul(dy, tf.tensor3d([1, 0, 0], [1, 3, 1]));
  tf.grads(route)([router_DE, x_BLD], onlyFirst).forEach((grad) => expectClose(grad, tf.zeros(grad.shape), EXACT));
});
