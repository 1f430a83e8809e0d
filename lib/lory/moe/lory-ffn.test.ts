import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { denseFfn } from "../nn";
import { compiledProgram, randomTensor, useTestBackend } from "../testing";
import { loryFfn, type LoryFfnParams } from "./lory-ffn";
import { mergeExperts, type MergeMemory } from "./merge";

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
  const rows = weights_RE.arraySync();
  const loop = (stack: tf.Tensor): tf.Tensor =>
    tf.stack(rows.map((weights_E) => tf.addN(weights_E.map((w, e) => tf.mul(at(stack, e), w)))));
  expectClose(gateUp_RDG, loop(bank.gateUp_EDG), CLOSE);
  expectClose(down_RFD, loop(bank.down_EFD), CLOSE);
});

test.each([
  ["segments that divide", 8, 4],
  ["a short last segment", 10, 4],
  ["a last segment of one token", 9, 4],
  ["one token a segment", 5, 1],
  ["less than a segment", 3, 4],
])("each segment passes the dense FFN of its own merge: %s", (_, length, segmentLength) => {
  const [bank, x_BLD] = [experts(), randomTensor<tf.Rank.R3>([B, length, D], 5)];
  const { y_BLD, weights_BNE } = loryFfn(bank, x_BLD, segmentLength, {
    mode: "causal_segment",
    firstSegmentRule: "own_stop_gradient",
  });
  expect(weights_BNE.shape).toEqual([B, Math.ceil(length / segmentLength), E]);
  expectClose(tf.sum(weights_BNE, -1), tf.ones([B, weights_BNE.shape[1]]), CLOSE);
  const rows = weights_BNE.arraySync().map((weights_NE, b) => {
    const segments = weights_NE.map((weights_E, n) => {
      const start = n * segmentLength;
      const span_TD = tf.slice(x_BLD, [b, start, 0], [1, Math.min(segmentLength, length - start), -1]);
      const merged = mergeExperts(bank, tf.tensor2d([weights_E]));
      return denseFfn({ gateUp_DG: at(merged.gateUp_RDG, 0), down_FD: at(merged.down_RFD, 0) }, span_TD);
    });
    return tf.concat(segments, 1);
  });
  expectClose(y_BLD, tf.concat(rows, 0), CLOSE);
});

test.each([
  ["three segments", 10],
  ["one segment", 3],
])("a first segment with an FFN of its own passes that, the others as without it: %s", (_, length) => {
  const [bank, x_BLD] = [experts(), randomTensor<tf.Rank.R3>([B, length, D], 5)];
  const first = { gateUp_DG: randomTensor([D, 2 * F], 6), down_FD: randomTensor([F, D], 7) };
  const own = { ...bank, firstGateUp_DG: first.gateUp_DG, firstDown_FD: first.down_FD };
  const without = loryFfn(bank, x_BLD, 4, { mode: "causal_segment", firstSegmentRule: "uniform" });
  const { y_BLD } = loryFfn(own, x_BLD, 4, { mode: "causal_segment", firstSegmentRule: "dense_expert" });
  const span = (tensor: tf.Tensor, from: number): tf.Tensor => tf.slice(tensor, [0, from, 0], [-1, -1, -1]);
  const expected = [denseFfn(first, tf.slice(x_BLD, [0, 0, 0], [-1, Math.min(4, length), -1]))];
  if (length > 4) expected.push(span(without.y_BLD, 4));
  expectClose(y_BLD, tf.concat(expected, 1), CLOSE);
});

test("prompt routing merges once for each row, from its prompt's mean", () => {
  const [bank, x_BLD] = [experts(), randomTensor<tf.Rank.R3>([B, 7, D], 6)];
  const promptLength_B = tf.tensor1d([2, 7], "int32");
  const { y_BLD, weights_BNE } = loryFfn(bank, x_BLD, 4, { mode: "prompt", promptLength_B });
  const rows = [2, 7].map((promptLength, b) => {
    const row_1LD = tf.slice(x_BLD, [b, 0, 0], [1, -1, -1]);
    const mean_1D = tf.mean(tf.slice(row_1LD, [0, 0, 0], [1, promptLength, -1]), 1);
    const weights_1E = tf.softmax(tf.matMul(mean_1D, bank.router_DE)) as tf.Tensor2D;
    const merged = mergeExperts(bank, weights_1E);
    const dense = { gateUp_DG: at(merged.gateUp_RDG, 0), down_FD: at(merged.down_RFD, 0) };
    return { weights_1E, y_1LD: denseFfn(dense, row_1LD) };
  });
  expectClose(weights_BNE, tf.stack(rows.map(({ weights_1E }) => weights_1E)), CLOSE);
  expectClose(y_BLD, tf.concat(rows.map(({ y_1LD }) => y_1LD)), CLOSE);
});

test("merging again in the backward pass changes no number", () => {
  const { router_DE, gateUp_EDG, down_EFD } = experts();
  const x_BLD = randomTensor<tf.Rank.R3>([B, 10, D], 5);
  const dy = randomTensor([B, 10, D], 6);
  const run = (merges: MergeMemory) => {
    const layer = (x: tf.Tensor, router: tf.Tensor, gateUp: tf.Tensor, down: tf.Tensor): tf.Tensor =>
      loryFfn({ router_DE: router, gateUp_EDG: gateUp, down_EFD: down }, x as tf.Tensor3D, 4, {
        mode: "causal_segment",
        firstSegmentRule: "own_stop_gradient",
        merges,
      }).y_BLD;
    return tf.valueAndGrads(layer)([x_BLD, router_DE, gateUp_EDG, down_EFD], dy);
  };
  const [kept, again] = [run("keep"), run("recompute")];
  expectClose(again.value, kept.value, CLOSE);
  again.grads.forEach((grad, i) => expectClose(grad, kept.grads[i], CLOSE));
});

test.runIf((process.env.LORY_TEST_BACKEND ?? "xla") === "xla")(
  "merging again takes the memory of one layer",
  async () => {
    const layers = 6;
    const width = 32;
    const shapes = [
      [1, 64, width],
      [width, E],
      [layers, E, width, 4 * width],
      [layers, E, 2 * width, width],
    ];
    /** Scratch of value and gradients through layers of 16 segments. */
    const scratchBytes = async (merges: MergeMemory): Promise<number> => {
      const through = (x_BLD: tf.Tensor, router: tf.Tensor, gateUp: tf.Tensor, down: tf.Tensor): tf.Scalar => {
        let x = x_BLD as tf.Tensor3D;
        for (let i = 0; i < layers; i++) {
          const [gateUp_EDG, down_EFD] = [gateUp, down].map((bank) => tf.squeeze(tf.slice(bank, [i], [1]), [0]));
          const routing = { mode: "causal_segment", firstSegmentRule: "own_stop_gradient", merges } as const;
          x = tf.add(x, loryFfn({ router_DE: router, gateUp_EDG, down_EFD }, x, 4, routing).y_BLD);
        }
        return tf.sum(x);
      };
      const valueAndGrads = tf.valueAndGrads(through);
      const program = await compiledProgram((tensors) => {
        const { value, grads } = valueAndGrads(tensors);
        return [value, ...grads];
      }, shapes);
      return program.scratchBytes;
    };
    const oneMerge = 16 * 6 * width ** 2 * 4;
    const [kept, again] = [await scratchBytes("keep"), await scratchBytes("recompute")];
    expect(kept).toBeGreaterThan((layers - 1) * oneMerge);
    expect(again).toBeLessThan(4 * oneMerge);
  },
);
