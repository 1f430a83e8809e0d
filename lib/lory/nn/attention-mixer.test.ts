// Shapes: B batch, H heads, L context, K head size.
import * as tf from "@tensorflow/tfjs-core";
import { jit, precision, type XlaBackend } from "tfjs-backend-xla";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { asCuda, climb, compiledProgram, randomTensor, useTestBackend, type CompiledProgram } from "../testing";
import {
  blockedMixer,
  causalBias,
  causalMixer,
  plainMixer,
  rowBlockMixer,
  type AttentionMixer,
} from "./attention-mixer";
import { referenceAttention } from "./attention-reference";

beforeAll(useTestBackend);

type Shape = [batch: number, heads: number, length: number, size: number];

const mixed = (mix: AttentionMixer, tensors: readonly tf.Tensor[]): tf.Tensor4D => {
  const [q, k, v] = tensors as tf.Tensor4D[];
  return mix(q, k, v);
};

/** `mix`, and its gradients by queries, keys and values. */
const valueAndGrads = (mix: AttentionMixer, tensors: tf.Tensor[], dOut: tf.Tensor): tf.Tensor[] => {
  const { value, grads } = tf.valueAndGrads((...args) => mixed(mix, args))(tensors, dOut as tf.Tensor4D);
  return [value, ...grads];
};

test("the bias is 0 up to the diagonal and hides what lies beyond", () => {
  expectClose(causalBias(1), [[0]], EXACT);
  const bias = causalBias(4).arraySync();
  bias.forEach((row, i) => row.forEach((value, j) => expect(value === 0).toBe(j <= i)));
  expectClose(tf.softmax(causalBias(2)), [[1, 0], [0.5, 0.5]], EXACT); // prettier-ignore
});

describe("the ladder", () => {
  test.each<[number, Shape]>([
    [1, [1, 1, 1, 2]],
    [4, [2, 1, 1, 3]],
    [1, [1, 2, 3, 2]],
    [2, [1, 1, 5, 4]],
    [3, [2, 2, 7, 3]],
    [4, [1, 2, 8, 2]],
    [100, [1, 2, 6, 5]],
  ])("blocks of %i, shape %j", async (blockLength, shape) => {
    await climb({
      shapes: [shape, shape, shape],
      reference: (inputs) => referenceAttention(inputs, { shape }),
      fn: (inputs) => mixed(blockedMixer(blockLength), inputs),
    });
  });

  test.each<[number, Shape]>([
    [1, [1, 2, 3, 2]],
    [2, [1, 1, 5, 4]],
    [3, [2, 2, 7, 3]],
    [100, [1, 2, 6, 5]],
  ])("blocks of %i rows, shape %j", async (blockLength, shape) => {
    await climb({
      shapes: [shape, shape, shape],
      reference: (inputs) => referenceAttention(inputs, { shape }),
      fn: (inputs) => mixed(rowBlockMixer(blockLength), inputs),
    });
  });

  test.each<Shape>([
    [1, 1, 1, 2],
    [2, 2, 7, 3],
  ])("all scores at once, shape [%i, %i, %i, %i]", async (...shape) => {
    await climb({
      shapes: [shape, shape, shape],
      reference: (inputs) => referenceAttention(inputs, { shape }),
      fn: (inputs) => mixed(plainMixer(shape[2]), inputs),
    });
  });

  // Documents that end inside of a block and at its end, that are a single position, and that come back later.
  const documentIds_BL = [
    [0, 0, 0, 1, 1, 1, 1],
    [5, 2, 2, 5, 7, 7, 5],
  ];
  const shape: Shape = [2, 2, 7, 3];
  test.each<[string, (ids_BL: tf.Tensor2D) => AttentionMixer]>([
    ["all scores at once", (ids_BL) => plainMixer(7, ids_BL)],
    ["blocks of 1", (ids_BL) => blockedMixer(1, ids_BL)],
    ["blocks of 3", (ids_BL) => blockedMixer(3, ids_BL)],
    ["one block", (ids_BL) => blockedMixer(7, ids_BL)],
  ])("documents apart, %s", async (_, mixer) => {
    await climb({
      shapes: [shape, shape, shape],
      reference: (inputs) => referenceAttention(inputs, { shape, documentIds_BL }),
      fn: (inputs) => mixed(mixer(tf.tensor2d(documentIds_BL, [2, 7], "int32")), inputs),
    });
  });
});

test.each<[string, (length: number, ids_BL: tf.Tensor2D) => AttentionMixer]>([
  ["all scores at once", plainMixer],
  ["blocks of 4", (_, ids_BL) => blockedMixer(4, ids_BL)],
])("documents have no influence on one another, to the last bit: %s", (_, mixer) => {
  const [split, shape] = [6, [1, 2, 11, 4]];
  const ids_BL = tf.tensor2d([Array.from({ length: 11 }, (__, l) => Number(l >= split))], [1, 11], "int32");
  const run = jit((tensors: tf.Tensor[], dOut: tf.Tensor) => valueAndGrads(mixer(11, ids_BL), tensors, dOut));
  const inputs = [1, 2, 3, 4].map((seed) => randomTensor(shape, seed));
  const firstPart = (t: tf.Tensor): tf.Tensor => tf.slice(t, [0, 0, 0, 0], [-1, -1, split, -1]);
  const secondPart = (t: tf.Tensor): tf.Tensor => tf.slice(t, [0, 0, split, 0], [-1, -1, -1, -1]);
  const others = [5, 6, 7, 8].map((seed) => tf.mul(randomTensor(shape, seed), 100));
  const results = (tensors: tf.Tensor[]): tf.Tensor[] => run(tensors.slice(0, 3), tensors[3]);
  const before = results(inputs);
  const otherSecond = results(inputs.map((t, i) => tf.concat([firstPart(t), secondPart(others[i])], 2)));
  const otherFirst = results(inputs.map((t, i) => tf.concat([firstPart(others[i]), secondPart(t)], 2)));
  before.forEach((value, i) => {
    expectClose(firstPart(otherSecond[i]), firstPart(value), EXACT);
    expectClose(secondPart(otherFirst[i]), secondPart(value), EXACT);
    expect(tf.max(tf.abs(tf.sub(secondPart(otherSecond[i]), secondPart(value)))).dataSync()[0]).toBeGreaterThan(0.1);
  });
});

test("blocks and all scores at once agree at lengths where both are used", () => {
  const shape = [1, 2, 300, 8];
  const inputs = [1, 2, 3].map((seed) => randomTensor(shape, seed));
  const [expected, ...others] = [plainMixer(300), causalMixer(300), blockedMixer(256)].map((mix) =>
    jit((tensors: tf.Tensor[], dOut: tf.Tensor) => valueAndGrads(mix, tensors, dOut))(inputs, randomTensor(shape, 4)),
  );
  for (const actual of others)
    actual.forEach((value, i) => expectClose(value, expected[i], { rtol: 1e-4, atol: 1e-5 }));
});

test("bad block lengths and document ids are refused", () => {
  const q = tf.zeros<tf.Rank.R4>([2, 1, 3, 4]);
  for (const blockLength of [0, 1.5, NaN]) {
    for (const mixer of [blockedMixer, rowBlockMixer])
      expect(() => mixer(blockLength)(q, q, q)).toThrow(`blockLength is ${blockLength}: expected a whole number`);
  }
  const message = "document ids are int32 [1, 3]: expected int32 [2, 3]";
  const ids_BL = tf.zeros<tf.Rank.R2>([1, 3], "int32");
  for (const mix of [blockedMixer(2, ids_BL), plainMixer(3, ids_BL)]) expect(() => mix(q, q, q)).toThrow(message);
});

const isCompiled = (process.env.LORY_TEST_BACKEND ?? "xla") === "xla";

/** The program of value and gradients at a length, and the scratch memory that the compiler planned for it. */
const planned = (mix: AttentionMixer, length: number): Promise<CompiledProgram> => {
  const shape = [1, 2, length, 16];
  return compiledProgram(
    (tensors) => valueAndGrads(mix, tensors.slice(0, 3), tensors[3]),
    [shape, shape, shape, shape],
  );
};

test.runIf(isCompiled)("in blocks, memory grows linearly with the length, and the program not at all", async () => {
  const [short, long] = [await planned(blockedMixer(256), 1024), await planned(blockedMixer(256), 2048)];
  expect(long.scratchBytes / short.scratchBytes).toBeLessThan(2.05);
  expect(long.module.split("\n").length).toBe(short.module.split("\n").length);
  const plain = await planned(plainMixer(2048), 2048);
  expect(plain.scratchBytes).toBeGreaterThan(5 * long.scratchBytes);
});

test.runIf(isCompiled)("compiled, sequences longer than a block are taken in blocks", async () => {
  expect(await planned(causalMixer(256), 256)).toEqual(await planned(plainMixer(256), 256));
  const { kind } = (tf.backend() as XlaBackend).device;
  const beyond = kind === "cpu" ? rowBlockMixer(128) : blockedMixer(256);
  expect(await planned(causalMixer(257), 257)).toEqual(await planned(beyond, 257));
  expect(await planned(causalMixer(513), 513)).toEqual(await planned(blockedMixer(256), 513));
});

test.runIf(isCompiled)(
  "on CUDA and in bf16, long sequences are taken by cuDNN, documents that are apart by a bias",
  async () => {
    const q = tf.zeros<tf.Rank.R4>([1, 2, 300, 8]);
    const ids_BL = tf.zeros<tf.Rank.R2>([1, 300], "int32");
    /** What the compiler is told to call by name; without CUDA it refuses. */
    const refused =
      (mix: AttentionMixer): (() => unknown) =>
      () =>
        jit((t: tf.Tensor4D) => precision("bf16", () => mix(t, t, t)))(q).dataSync();
    await asCuda(() => {
      expect(refused(causalMixer(300))).toThrow(/__cudnn\$fmhaSoftmax/);
      expect(refused(causalMixer(300, ids_BL))).toThrow(/__cudnn\$fmhaScaleBiasSoftmax/);
    });
  },
);

test.runIf(isCompiled)("tracing blocks makes no array on the host as large as the queries", () => {
  const written = vi.spyOn(tf.backend(), "write");
  const shape: Shape = [1, 2, 1030, 4];
  const inputs = [1, 2, 3, 4].map(() => tf.fill(shape, 1));
  jit((tensors: tf.Tensor[]) => valueAndGrads(blockedMixer(515), tensors.slice(0, 3), tensors[3]))(inputs);
  const sizes = written.mock.calls.map(([, dims]) => tf.util.sizeFromShape(dims));
  written.mockRestore();
  expect(sizes.length).toBeGreaterThan(0);
  expect(Math.max(...sizes)).toBeLessThan(1030);
});
