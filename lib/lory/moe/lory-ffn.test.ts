import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { denseFfn } from "../nn";
import { randomTensor, useTestBackend } from "../testing";
import { loryFfn, type LoryFfnParams } from "./lory-ffn";
import { mergeExperts } from "./merge";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };
const [B, D, F, E] = [2, 4, 3, 3];

beforeAll(useTestBackend);

const experts = (): LoryFfnParams => ({
  router_DE: randomTensor([D, E], 1),
  gateUp_EDG: randomTensor([E, D, 2 * F], 2),
  down_EFD: randomTensor([E, F, D], 3),
});

/** One expert's, or one row's, matrices. */
const at = (bank: tf.Tensor, index: number): tf.Tensor => tf.squeeze(tf.slice(bank, [index, 0, 0], [1, -1, -1]), [0]);

test("merging equals the loop over experts, row by row", () => {
  const bank = experts();
  const weights_RE = tf.softmax(randomTensor<tf.Rank.R2>([5, E], 4));
  const { gateUp_RDG, down_RFD } = mergeExperts(bank, weights_RE);
  weights_RE.arraySync().forEach((weights_E, r) => {
    const loop = (stack: tf.Tensor): tf.Tensor => tf.addN(weights_E.map((w, e) => tf.mul(at(stack, e), w)));
    expectClose(at(gateUp_RDG, r), loop(bank.gateUp_EDG), CLOSE);
    expectClose(at(down_RFD, r), loop(bank.down_EFD), CLOSE);
  });
});

test.each([
  ["segments that divide", 8, 4],
  ["a short last segment", 10, 4],
  ["a last segment of one token", 9, 4],
  ["one token a segment", 5, 1],
  ["less than a segment", 3, 4],
])("each segment passes the dense FFN of its own merge: %s", (_, length, segmentLength) => {
  const [bank, x_BLD] = [experts(), randomTensor<tf.Rank.R3>([B, length, D], 5)];
  const { y_BLD, weights_BNE } = loryFfn(bank, x_BLD, segmentLength, { mode: "causal_segment" });
  expect(weights_BNE.shape).toEqual([B, Math.ceil(length / segmentLength), E]);
  weights_BNE.arraySync().forEach((weights_NE, b) =>
    weights_NE.forEach((weights_E, n) => {
      expectClose([weights_E.reduce((sum, w) => sum + w, 0)], [1], CLOSE);
      const start = n * segmentLength;
      const span = [1, Math.min(segmentLength, length - start), -1];
      const merged = mergeExperts(bank, tf.tensor2d([weights_E]));
      const dense = { gateUp_DG: at(merged.gateUp_RDG, 0), down_FD: at(merged.down_RFD, 0) };
      expectClose(tf.slice(y_BLD, [b, start, 0], span), denseFfn(dense, tf.slice(x_BLD, [b, start, 0], span)), CLOSE);
    }),
  );
});

test("prompt routing merges once for each row, from its prompt's mean", () => {
  const [bank, x_BLD] = [experts(), randomTensor<tf.Rank.R3>([B, 7, D], 6)];
  const promptLength_B = tf.tensor1d([2, 7], "int32");
  const { y_BLD, weights_BNE } = loryFfn(bank, x_BLD, 4, { mode: "prompt", promptLength_B });
  [2, 7].forEach((promptLength, b) => {
    const row = tf.slice(x_BLD, [b, 0, 0], [1, -1, -1]);
    const mean_1D = tf.mean(tf.slice(row, [0, 0, 0], [1, promptLength, -1]), 1);
    const weights_1E = tf.softmax(tf.matMul(mean_1D, bank.router_DE)) as tf.Tensor2D;
    expectClose(tf.slice(weights_BNE, [b, 0, 0], [1, -1, -1]), tf.expandDims(weights_1E, 0), CLOSE);
    const merged = mergeExperts(bank, weights_1E);
    const dense = { gateUp_DG: at(merged.gateUp_RDG, 0), down_FD: at(merged.down_RFD, 0) };
    expectClose(tf.slice(y_BLD, [b, 0, 0], [1, -1, -1]), denseFfn(dense, row), CLOSE);
  });
});
