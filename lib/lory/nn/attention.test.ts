import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { randomTensor, useTestBackend } from "../testing";
import { causalAttention } from "./attention";
import { blockedMixer, plainMixer, rowBlockMixer, type AttentionMixer } from "./attention-mixer";
import { ropeTables } from "./rope";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

const MIXERS: [string, (length: number) => AttentionMixer][] = [
  ["all scores at once", (length) => plainMixer(length)],
  ["blocks of 2", () => blockedMixer(2)],
  ["blocks of 2 rows", () => rowBlockMixer(2)],
];

describe.each(MIXERS)("causal attention, %s", (_, mixer) => {
  const attend = (x_BLD: tf.Tensor, numHeads: number, qkv_DQ: tf.Tensor, out_DD: tf.Tensor): tf.Tensor3D => {
    const [, length, dModel] = x_BLD.shape;
    const tables = ropeTables(length, dModel / numHeads, 10_000);
    return causalAttention({ qkv_DQ, out_DD }, x_BLD as tf.Tensor3D, numHeads, tables, mixer(length));
  };

  test("one token attends to itself: its value through the output matrix", () => {
    const [x, qkv_DQ, out_DD] = [randomTensor([2, 1, 6], 1), randomTensor([6, 18], 2), randomTensor([6, 6], 3)];
    const value_DD = tf.slice(qkv_DQ, [0, 12], [6, 6]);
    const expected = tf.matMul(tf.matMul(tf.reshape(x, [2, 6]), value_DD), out_DD);
    expectClose(attend(x, 3, qkv_DQ, out_DD), tf.reshape(expected, [2, 1, 6]), CLOSE);
  });

  test("queries of zero take the mean of all values so far", () => {
    const [x, out_DD] = [randomTensor([1, 5, 4], 4), tf.eye(4)];
    const qkv_DQ = tf.concat([tf.zeros([4, 8]), tf.eye(4)], 1);
    const rows = tf.squeeze(x, [0]).arraySync() as number[][];
    const means = rows.map((_, l) =>
      rows[0].map((__, d) => rows.slice(0, l + 1).reduce((sum, row) => sum + row[d], 0) / (l + 1)),
    );
    expectClose(attend(x, 2, qkv_DQ, out_DD), [means], CLOSE);
  });

  test("sequences and heads do not mix", () => {
    const [x, qkv_DQ, out_DD] = [randomTensor([2, 5, 4], 5), randomTensor([4, 12], 6), tf.eye(4)];
    const both = attend(x, 2, qkv_DQ, out_DD);
    const alone = attend(tf.slice(x, [1, 0, 0], [1, -1, -1]), 2, qkv_DQ, out_DD);
    expectClose(tf.slice(both, [1, 0, 0], [1, -1, -1]), alone, CLOSE);

    // Queries of the second head alone change: what the first head puts into components 0 and 1 stays.
    const doubled = tf.mul(qkv_DQ, tf.tensor1d([1, 1, 3, 3, ...new Array<number>(8).fill(1)]));
    const other = attend(x, 2, doubled, out_DD);
    expectClose(tf.slice(other, [0, 0, 0], [-1, -1, 2]), tf.slice(both, [0, 0, 0], [-1, -1, 2]), CLOSE);
    const change = tf.max(tf.abs(tf.sub(tf.slice(other, [0, 0, 2]), tf.slice(both, [0, 0, 2])))).dataSync()[0];
    expect(change).toBeGreaterThan(1e-3);
  });

  test("scores far beyond float32's exponent range give finite weights", () => {
    const [x, qkv_DQ, out_DD] = [randomTensor([1, 6, 4], 7), randomTensor([4, 12], 8), tf.eye(4)];
    const huge = attend(tf.mul(x, 1e6), 2, qkv_DQ, out_DD);
    expect([...huge.dataSync()].every(Number.isFinite)).toBe(true);
  });
});
