import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { beforeEach, describe, expect, it } from "vitest";
import { dynamicSlice, dynamicUpdateSlice, jit, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";
import { expectSame, numbers } from "../testing/three-ways";

beforeEach(async () => void (await tf.setBackend("xla")));

const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
const matrix = (): tf.Tensor2D => tf.tensor2d([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 4]);

describe("a slice at a place that is data", () => {
  it("is that of tf.slice, and moved inside where it would reach out", async () => {
    await expectSame(() => {
      const x = matrix();
      return [
        dynamicSlice(x, [int(1), 2], [2, 2]),
        dynamicSlice(x, [int(2), int(3)], [2, 2]),
        dynamicSlice(x, [int(-1), 0], [1, 4]),
        dynamicSlice(tf.cast(x, "int32"), [0, int(3)], [3, 1]),
      ];
    }, EXACT);
    expectClose(dynamicSlice(matrix(), [int(2), int(3)], [2, 2]), [[6, 7], [10, 11]], EXACT); // prettier-ignore
  });

  it("is replaced, alone", async () => {
    await expectSame(() => {
      const [x, update] = [numbers([2, 3, 4], 1), numbers([1, 3, 2], 2)];
      return [
        dynamicUpdateSlice(x, update, [int(1), 0, int(1)]),
        dynamicUpdateSlice(x, update, [int(5), 0, int(-2)]),
        dynamicUpdateSlice(tf.cast(x, "int32"), tf.cast(update, "int32"), [0, 0, 0]),
      ];
    }, EXACT);
    const x = dynamicUpdateSlice(matrix(), tf.tensor2d([[-1, -2]]), [int(9), int(1)]);
    expectClose(x, [[0, 1, 2, 3], [4, 5, 6, 7], [8, -1, -2, 11]], EXACT); // prettier-ignore
  });

  it("compiles once for all places, and writes what is donated in place", () => {
    const backend = tf.backend() as XlaBackend;
    let traced = 0;
    const write = jit(
      (x: tf.Tensor1D, value: tf.Tensor1D, at: tf.Scalar) => {
        traced++;
        return dynamicUpdateSlice(x, value, [at]);
      },
      { donate: [0] },
    );
    const length = 1 << 16;
    const args = (): [tf.Tensor1D, tf.Tensor1D, tf.Scalar] => [tf.fill([length], 0), tf.tensor1d([7]), int(3)];
    let x = write(...args());
    for (const at of [length - 1, 0]) x = write(x, tf.tensor1d([at + 1]), int(at));
    expect(traced).toBe(1);
    const values = x.dataSync();
    expect([values[0], values[3], values[length - 1]]).toEqual([1, 7, length]);
    const module = write.lower(...args())!;
    expect(module).toContain("tf.aliasing_output");
    expect(backend.device.compile(module).memory().temporaryBytes).toBeLessThan(length);
  });

  it("refuses what does not fit, and gradients", () => {
    const x = matrix();
    expect(() => dynamicSlice(x, [int(0)], [1])).toThrow("expected one start and one size for each axis");
    expect(() => dynamicSlice(x, [0, 0], [4, 1])).toThrow("it does not fit in");
    expect(() => dynamicSlice(x, [tf.scalar(1), 0], [1, 1])).toThrow("a start is float32 []");
    expect(() => dynamicSlice(x, [0.5, 0], [1, 1])).toThrow("a start is 0.5");
    expect(() => dynamicUpdateSlice(x, tf.tensor2d([[1]], [1, 1], "int32"), [0, 0])).toThrow("the update is int32");
    expect(() => tf.grad((v) => dynamicSlice(v as tf.Tensor2D, [0, 0], [1, 1]))(x)).toThrow("has no gradient");
  });
});
