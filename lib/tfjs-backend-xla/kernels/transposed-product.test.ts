import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { random } from "../index";
import { printModule, parameter, type TensorType } from "../stablehlo";
import { expectClose } from "../testing";
import { transposedProduct } from "./transposed-product";

const matrix = (...shape: number[]): TensorType => ({ dtype: "f32", shape });

describe("a product summed over the rows of both operands", () => {
  it.each([
    [
      [64, 256, 256],
      [64, 256, 512],
    ],
    [
      [3, 2, 62, 130],
      [3, 2, 62, 150],
    ],
    [
      [64, 8],
      [64, 8192],
    ],
  ])("is that of the operand turned before, %j by %j", async (left, right) => {
    await tf.setBackend("xla");
    const [a, b] = [left, right].map((shape, i) => random.normal(shape, { seed: i }));
    const axes = left.map((_, i) => i);
    const turned = tf.tensor(await tf.transpose(a, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]).data(), [
      ...left.slice(0, -2),
      left.at(-1)!,
      left.at(-2)!,
    ]);
    expectClose(await tf.matMul(a, b, true).data(), await tf.matMul(turned, b).data(), { rtol: 1e-5, atol: 1e-4 });
  });

  it("turns an operand in two steps, so that XLA leaves the turn before the product", () => {
    const [a, b] = [parameter(matrix(64, 64, 256)), parameter(matrix(64, 64, 1536))];
    const text = printModule({ name: "product", parameters: [a, b], results: [transposedProduct(a, b)!] });
    expect(text).toContain("tensor<64x256x2x32xf32>");
    expect(text).toContain("tensor<64x256x1536xf32>");
  });

  it.each([
    ["few multiplications", [4, 8, 8], [4, 8, 8]],
    ["an odd number of rows", [65, 1024], [65, 1024]],
    ["many rows", [4096, 256], [4096, 256]],
    ["few columns", [64, 4], [64, 65536]],
  ])("is left as it is with %s", (_, left, right) => {
    expect(transposedProduct(parameter(matrix(...left)), parameter(matrix(...right)))).toBeUndefined();
  });
});
