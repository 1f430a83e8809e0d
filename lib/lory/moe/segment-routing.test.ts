import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { randomTensor, useTestBackend } from "../testing";
import type { FirstSegmentRule } from "./first-segment";
import { segmentWeights, type SegmentRoutingMode } from "./segment-routing";
import { segmentation, splitSegments } from "./segments";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };
const [B, L, T, D, E] = [3, 10, 4, 5, 4];
/** A rule that the other modes do not ask for. */
const OWN = "own_stop_gradient";

beforeAll(useTestBackend);

const route =
  (mode: SegmentRoutingMode, rule: FirstSegmentRule = OWN, segmentLength = T) =>
  (router_DE: tf.Tensor, x_BLD: tf.Tensor, prior_E?: tf.Tensor): tf.Tensor3D => {
    const cut = segmentation(x_BLD.shape[1]!, segmentLength);
    return segmentWeights({ router_DE, prior_E }, splitSegments(x_BLD as tf.Tensor3D, cut), cut, mode, rule);
  };

/** What the mean of tokens start .. end - 1 of each sequence says, [B, 1, E]. */
const says = (router_DE: tf.Tensor, x_BLD: tf.Tensor, start: number, end: number): tf.Tensor => {
  const mean_BD = tf.mean(tf.slice(x_BLD, [0, start, 0], [-1, end - start, -1]), 1);
  return tf.expandDims(tf.softmax(tf.matMul(mean_BD, router_DE)), 1);
};

type Span = readonly [start: number, end: number];

// Segments of 10 tokens: 0 .. 3, 4 .. 7, 8 .. 9.
test.each<[SegmentRoutingMode, Span[]]>([
  [
    "causal_segment",
    [
      [0, 4],
      [0, 4],
      [4, 8],
    ],
  ],
  [
    "running_mean",
    [
      [0, 4],
      [0, 4],
      [0, 8],
    ],
  ],
  [
    "prefix",
    [
      [0, 4],
      [0, 4],
      [0, 4],
    ],
  ],
  [
    "own_segment",
    [
      [0, 4],
      [4, 8],
      [8, 10],
    ],
  ],
])("%s: each segment is routed by the mean of its span", (mode, spans) => {
  // prettier-ignore
  const [router_DE, x_BLD] = [randomTensor([D, E], 1), randomTensor([B, L, D], 2)];
  const expected = spans.map(([start, end]) => says(router_DE, x_BLD, start, end));
  expectClose(route(mode)(router_DE, x_BLD), tf.concat(expected, 1), CLOSE);
});

test.each<SegmentRoutingMode>(["causal_segment", "running_mean", "prefix", "own_segment", "whole_sequence"])(
  "%s: a sequence of one segment is routed by itself",
  (mode) => {
    const [router_DE, x_BLD] = [randomTensor([D, E], 1), randomTensor([B, 3, D], 2)];
    expectClose(route(mode)(router_DE, x_BLD), says(router_DE, x_BLD, 0, 3), CLOSE);
  },
);

test.each<SegmentRoutingMode>(["causal_segment", "running_mean"])("%s: rules for the first segment", (mode) => {
  const [router_DE, x_BLD, prior_E] = [randomTensor([D, E], 1), randomTensor([B, L, D], 2), randomTensor([E], 3)];
  const own = route(mode)(router_DE, x_BLD);
  const first = {
    uniform: tf.fill([B, 1, E], 1 / E),
    learned_prior: tf.tile(tf.reshape(tf.softmax(prior_E), [1, 1, E]), [B, 1, 1]),
    dense_expert: tf.zeros([B, 1, E]),
  };
  for (const rule of ["uniform", "learned_prior", "dense_expert"] as const) {
    const weights = route(mode, rule)(router_DE, x_BLD, prior_E);
    expectClose(weights, tf.concat([first[rule], tf.slice(own, [0, 1, 0], [-1, -1, -1])], 1), EXACT);
  }
  expect(() => route(mode, "learned_prior")(router_DE, x_BLD)).toThrow("needs the parameter prior_E");
});

test.each<[SegmentRoutingMode, Span[]]>([
  [
    "causal_segment",
    [
      [0, 4],
      [4, 8],
    ],
  ],
  [
    "running_mean",
    [
      [0, 4],
      [0, 8],
    ],
  ],
  [
    "prefix",
    [
      [0, 4],
      [0, 4],
    ],
  ],
])("%s: segment 1's own use has no gradient, the use of its mean by later segments does", (mode, later) => {
  // prettier-ignore
  const [router_DE, x_BLD, dy] = [randomTensor([D, E], 1), randomTensor([B, L, D], 2), randomTensor([B, 3, E], 3)];
  const [dRouter, dX] = tf.grads(route(mode))([router_DE, x_BLD], dy);
  const stopped = (router: tf.Tensor, x: tf.Tensor): tf.Tensor => {
    const constant = tf.slice(dy, [0, 0, 0], [-1, 1, -1]);
    return tf.concat([constant, ...later.map(([start, end]) => says(router, x, start, end))], 1);
  };
  const expected = tf.grads(stopped)([router_DE, x_BLD], dy);
  expectClose(dRouter, expected[0], CLOSE);
  expectClose(dX, expected[1], CLOSE);

  const onlyFirst = tf.mul(dy, tf.tensor3d([1, 0, 0], [1, 3, 1]));
  tf.grads(route(mode))([router_DE, x_BLD], onlyFirst).forEach((grad) =>
    expectClose(grad, tf.zeros(grad.shape), EXACT),
  );
});
