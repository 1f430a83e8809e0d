// Shapes: R rows, D model, V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { climb, compiledProgram, randomTensor, useTestBackend, type CompiledProgram } from "../testing";
import { crossEntropyNats } from "./cross-entropy";
import { chunkedHeadCrossEntropyNats, headCrossEntropyNats } from "./head-cross-entropy";
import { linear } from "./linear";

beforeAll(useTestBackend);

const targetsOf = (rows: number, vocabSize: number): number[] =>
  Array.from({ length: rows }, (_, r) => (5 * r + 2) % vocabSize);

/** A function of hidden states and head, with its gradients. */
const valueAndGrads = (fn: (x: tf.Tensor, head: tf.Tensor) => tf.Tensor, inputs: tf.Tensor[], dy: tf.Tensor) => {
  const { value, grads } = tf.valueAndGrads((...args) => fn(args[0], args[1]))(inputs, dy);
  return [value, ...grads];
};

test.each([
  [1, 1, 1, 1],
  [1, 3, 5, 4],
  [7, 2, 6, 1],
  [7, 3, 5, 3],
  [8, 3, 5, 4],
  [5, 2, 1, 2],
])("the ladder, %i rows of %i, %i pieces, chunks of %i rows", async (rows, width, vocabSize, chunkRows) => {
  const targets = targetsOf(rows, vocabSize);
  await climb({
    shapes: [
      [rows, width],
      [width, vocabSize],
    ],
    reference: ([x, head]) =>
      targets.map((target, r) => {
        const logits = Array.from({ length: vocabSize }, (_, v) => {
          let sum = 0;
          for (let d = 0; d < width; d++) sum += x[r * width + d] * head[d * vocabSize + v];
          return sum;
        });
        return Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[target];
      }),
    fn: ([x_RD, head_DV]) => chunkedHeadCrossEntropyNats(x_RD, head_DV, tf.tensor1d(targets, "int32"), chunkRows),
  });
});

test("any leading shape, and chunks of any length, give what the whole gives", () => {
  const [x_BLD, head_DV, dy_BL] = [randomTensor([3, 7, 4], 1), randomTensor([4, 9], 2), randomTensor([3, 7], 3)];
  const targets_BL = tf.tensor2d(targetsOf(21, 9), [3, 7], "int32");
  const run = jit((x: tf.Tensor, head: tf.Tensor, dy: tf.Tensor) => [
    valueAndGrads((a, b) => crossEntropyNats(linear(a, b), targets_BL), [x, head], dy),
    ...[1, 2, 8, 20, 21, 50].map((rows) =>
      valueAndGrads((a, b) => chunkedHeadCrossEntropyNats(a, b, targets_BL, rows), [x, head], dy),
    ),
  ]);
  const [whole, ...chunked] = run(x_BLD, head_DV, dy_BL);
  for (const results of chunked) {
    results.forEach((value, i) => expectClose(value, whole[i], { rtol: 1e-5, atol: 1e-6 }));
  }
});

test("logits far apart give finite losses and gradients", () => {
  const [x_RD, head_DV] = [tf.tensor2d([[1], [1]]), tf.tensor2d([[1e4, -1e4]])];
  const targets_R = tf.tensor1d([0, 1], "int32");
  const fn = (x: tf.Tensor, head: tf.Tensor): tf.Tensor => chunkedHeadCrossEntropyNats(x, head, targets_R, 1);
  const [nats, dx, dHead] = valueAndGrads(fn, [x_RD, head_DV], tf.ones([2]));
  expectClose(nats, [0, 2e4], EXACT);
  expectClose(dx, [[0], [2e4]], EXACT);
  expectClose(dHead, [[1, -1]], EXACT);
});

test.runIf((process.env.LORY_TEST_BACKEND ?? "xla") === "xla")(
  "more logits than may exist at a time never do",
  async () => {
    const vocabSize = 2 ** 15;
    const planned = (rows: number): Promise<CompiledProgram> =>
      compiledProgram(
        (inputs) => {
          const fn = (x: tf.Tensor, head: tf.Tensor): tf.Tensor =>
            headCrossEntropyNats(x, head, tf.zeros([rows], "int32"));
          return valueAndGrads(fn, inputs, tf.ones([rows]));
        },
        [
          [rows, 1],
          [1, vocabSize],
        ],
      );
    /** The most elements that a tensor of a program has. */
    const largest = ({ module }: CompiledProgram): number =>
      Math.max(
        ...[...module.matchAll(/tensor<([\dx]+)xf32>/g)].map(([, dims]) =>
          dims.split("x").reduce((size, n) => size * Number(n), 1),
        ),
      );
    const most = 2 ** 25;
    expect(largest(await planned(2 ** 10))).toBe(most);
    const [twice, fourfold] = [await planned(2 ** 11), await planned(2 ** 12)];
    expect([largest(twice), largest(fourfold)]).toEqual([most, most]);
    expect(fourfold.scratchBytes).toBeLessThan(1.01 * twice.scratchBytes);
  },
);
