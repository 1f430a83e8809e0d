import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { jit, precision, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";
import { hostElements } from "./host-elements";

const LIMIT = 100;
let backend: XlaBackend;
let programs: number;

beforeAll(async () => {
  process.env.XLA_HOST_ELEMENTS = String(LIMIT); // read when the backend starts
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});
beforeEach(() => {
  programs = backend.device.programCount;
});

/** Programs that were made since the test began. */
const made = (): number => backend.device.programCount - programs;

describe("small kernels on the host", () => {
  it("compile nothing, and give the shapes, types and values that the device would", () => {
    const x = tf.range(0, 6, 1, "int32");
    const table = tf.reshape(tf.cast(x, "float32"), [2, 3]);
    const parts = tf.split(tf.concat([table, tf.square(table)]), 2);
    expectClose(
      tf.matMul(parts[0], parts[1], false, true),
      [
        [9, 66],
        [24, 216],
      ],
      EXACT,
    );
    expectClose(tf.argMax(table, 1), { shape: [2], dtype: "int32", values: Int32Array.of(2, 2) }, EXACT);
    expectClose(tf.greater(x, 3), { shape: [6], dtype: "bool", values: Uint8Array.of(0, 0, 0, 0, 1, 1) }, EXACT);
    expectClose(tf.grad((y: tf.Tensor) => tf.sum(tf.square(y)))(tf.tensor1d([1, -2])), [2, -4], EXACT);
    expect(made()).toBe(0);
  });

  it("are given what tfjs's kernels look for in a tensor", () => {
    const filter = tf.ones<tf.Rank.R3>([2, 2, 1]);
    const slope = tf.grad((x: tf.Tensor) => tf.sum(tf.dilation2d(x as tf.Tensor4D, filter, 1, "valid")));
    expectClose(tf.reshape(slope(tf.tensor4d([1, 2, 4, 3], [1, 2, 2, 1])), [4]), [0, 0, 1, 0], EXACT);
    expect(made()).toBe(0);
  });

  it("are not those of complex numbers, which the host holds in two parts", () => {
    const z = tf.mul(tf.complex([1, 2], [3, -4]), tf.complex([0, 1], [1, 1]));
    expectClose(tf.concat([tf.real(z), tf.imag(z)]), [-3, 6, 1, -2], EXACT);
  });

  it("are those whose inputs and results are small together", () => {
    const wide = tf.ones([LIMIT / 2]);
    tf.neg(wide).dataSync();
    expect(made()).toBe(0);
    expectClose(tf.sum(tf.ones([LIMIT])), LIMIT, EXACT);
    expect(made()).toBe(1);
    expectClose(tf.sum(tf.tile(wide, [3])), 1.5 * LIMIT, EXACT);
    expect(made()).toBe(2);
  });

  it("are none whose inputs are on the device, and none that are traced", () => {
    const double = jit((x: tf.Tensor) => tf.mul(x, 2));
    const y = double(tf.tensor1d([1, 2]));
    expectClose(tf.add(y, 1), [3, 5], EXACT);
    expect(made()).toBe(2);
  });

  it("can be passed to compiled functions, donated, and computed with on the device", () => {
    const small = tf.square(tf.tensor1d([1, 2, 3]));
    const large = tf.add(tf.zeros([LIMIT, 3]), small);
    expectClose(tf.sum(large, 0), [LIMIT, 4 * LIMIT, 9 * LIMIT], EXACT);
    const negate = jit((x: tf.Tensor) => tf.neg(x), { donate: [0] });
    expectClose(negate(small), [-1, -4, -9], EXACT);
    expect(small.isDisposed).toBe(true);
  });

  it("leave no data behind", () => {
    const before = tf.memory().numDataBuffers;
    const onCpu = tf.findBackend("cpu").numDataIds();
    tf.tidy(() =>
      tf
        .mean(
          tf.softmax(
            tf.tensor2d([
              [1, 2],
              [3, 4],
            ]),
          ),
        )
        .dataSync(),
    );
    expect(tf.memory().numDataBuffers).toBe(before);
    expect(tf.findBackend("cpu").numDataIds()).toBe(onCpu);
  });
});

describe("products in bf16", () => {
  it("are the device's however small they are, as the host would not round", () => {
    const x = tf.fill([1, 1], 1 + 2 ** -10);
    expectClose(
      precision("bf16", () => tf.matMul(x, tf.ones([1, 1]))),
      [[1]],
      EXACT,
    );
    expect(made()).toBe(1);
  });
});

describe("XLA_HOST_ELEMENTS", () => {
  it("is a number, or the default", () => {
    expect(hostElements({})).toBeGreaterThan(0);
    expect(hostElements({ XLA_HOST_ELEMENTS: "0" })).toBe(0);
    expect(hostElements({ XLA_HOST_ELEMENTS: "64" })).toBe(64);
    for (const wrong of ["off", "-1", "1.5"])
      expect(() => hostElements({ XLA_HOST_ELEMENTS: wrong })).toThrow(`XLA_HOST_ELEMENTS is "${wrong}"`);
  });
});
