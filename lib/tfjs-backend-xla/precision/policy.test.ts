// Shapes: B rows, D and F columns.
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../index";
import { checkpoint, jit, precision, scan, type Precision, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";
import { currentPrecision } from "./policy";

let backend: XlaBackend;
beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});
afterEach(() => vi.restoreAllMocks());

const numbers = (shape: number[], phase: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(1.7 * i + phase)),
    shape,
  );

/** The program of a compiled function, as StableHLO. */
async function programOf(fn: () => unknown, policy?: Precision): Promise<string> {
  const compile = vi.spyOn(backend.device, "compileAsync");
  await jit(fn, { precision: policy }).prepare();
  const [[module]] = compile.mock.calls;
  compile.mockRestore();
  return module;
}

const dots = (module: string): string[] => module.split("\n").filter((line) => line.includes("dot_general"));
const BF16_DOT = /: \(tensor<[\dx]*xbf16>, tensor<[\dx]*xbf16>\) -> \(tensor<[\dx]*xbf16>\)$/;

/** bfloat16 has 8 bits of precision: a product of two rounded factors is off by 2^-8 at most, and so is a sum of such, of its terms' size. */
const BF16 = { rtol: 0, atol: 2 ** -8 * 16 };

/** A layer with plain, transposed and fused contractions, and softmax, a norm and a mean between them. */
function layer(x_BD: tf.Tensor, w_DF: tf.Tensor): tf.Tensor {
  const h_BF = tf.matMul(x_BD, w_DF);
  const p_BF = tf.softmax(h_BF);
  const y_BD = tf.matMul(p_BF, w_DF, false, true);
  const z_BF = tf.fused.matMul({ a: y_BD, b: w_DF, activation: "relu" });
  return tf.mean(tf.square(z_BF));
}

const forward = () => layer(numbers([4, 16], 0), numbers([16, 8], 1));

describe("bf16", () => {
  it("contracts bfloat16 to f32, in the gradients too, and computes nothing else in it", async () => {
    const w = numbers([16, 8], 1);
    const module = await programOf(() => tf.grad((x) => layer(x, w))(numbers([4, 16], 0)), "bf16");
    expect(dots(module).length).toBeGreaterThanOrEqual(6);
    for (const dot of dots(module)) expect(dot).toMatch(BF16_DOT);
    const others = module.split("\n").filter((line) => line.includes("bf16") && !line.includes("dot_general"));
    for (const line of others) expect(line).toContain("stablehlo.convert");
  });

  it("convolves bfloat16 to f32, and highest f32 with all of its digits", async () => {
    const convolve = () => {
      const kernel = numbers([2, 2, 3, 4], 1) as tf.Tensor4D;
      return tf.grad((x) => tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, kernel, 1, "same"))))(
        numbers([1, 4, 4, 3], 0),
      );
    };
    const convolutions = async (policy: Precision) =>
      (await programOf(convolve, policy)).split("\n").filter((line) => line.includes("convolution"));
    for (const line of await convolutions("bf16")) expect(line).toMatch(BF16_DOT);
    for (const line of await convolutions("highest")) expect(line.match(/precision HIGHEST/g)).toHaveLength(2);
    const run = (policy?: Precision) => jit(convolve, { precision: policy })();
    expectClose(run("bf16"), run(), { rtol: 0, atol: 0.5 });
    expectClose(run("highest"), run(), { rtol: 1e-5, atol: 1e-5 });
  });

  it("is near f32, forward and backward, and not equal", () => {
    const w = numbers([16, 8], 1);
    const x = numbers([4, 16], 0);
    const run = (policy: Precision) =>
      jit(() =>
        precision(policy, () => tf.valueAndGrads((a: tf.Tensor, b: tf.Tensor) => layer(a, b) as tf.Scalar)([x, w])),
      )();
    const [exact, rounded] = [run("default"), run("bf16")];
    expect(exact.value.dataSync()[0]).not.toBe(rounded.value.dataSync()[0]);
    expectClose(rounded.value, exact.value, BF16);
    rounded.grads.forEach((grad, i) => expectClose(grad, exact.grads[i], BF16));
  });

  it("rounds the factors to nearest, and adds in f32", () => {
    const third = Math.fround(1 / 3);
    const roundedThird = 0.333984375; // 171 / 512
    const product = precision("bf16", () => tf.matMul(tf.fill([1, 300], third), tf.ones([300, 1])));
    expectClose(product, [[300 * roundedThird]], { rtol: 1e-6, atol: 0 });
  });

  it("holds for einsum, and leaves integers alone", () => {
    const inner = (x: tf.Tensor) => tf.einsum("i,i->", x, tf.onesLike(x));
    expectClose(
      precision("bf16", () => inner(tf.fill([2], 1 + 2 ** -10))),
      2,
      EXACT,
    );
    expectClose(
      precision("bf16", () => inner(tf.tensor1d([257, 1], "int32"))),
      258,
      EXACT,
    );
  });

  it("holds eagerly, for what is recorded inside alone", () => {
    const [a, b] = [tf.fill([1, 1], 1 + 2 ** -10), tf.ones([1, 1])];
    const inside = precision("bf16", () => tf.matMul(a, b));
    const outside = tf.matMul(a, b);
    expectClose(inside, [[1]], EXACT);
    expectClose(outside, [[1 + 2 ** -10]], EXACT);
  });

  it("holds for gradients that are computed outside of it", async () => {
    const w = numbers([16, 8], 1);
    const inside = (x: tf.Tensor) => precision("bf16", () => layer(x, w));
    const module = await programOf(() =>
      tf.grad((x) => tf.matMul(tf.reshape(inside(x), [1, 1]), tf.ones([1, 1])))(numbers([4, 16], 0)),
    );
    const [rounded, full] = [
      dots(module).filter((dot) => BF16_DOT.test(dot)),
      dots(module).filter((dot) => !dot.includes("bf16")),
    ];
    expect(rounded.length).toBeGreaterThanOrEqual(6);
    expect(full.length).toBeGreaterThan(0);
    expect(rounded.length + full.length).toBe(dots(module).length);
  });

  it("holds inside of loops and checkpoints, and for their gradients", async () => {
    const w = numbers([8, 8], 1) as tf.Tensor2D;
    const looped = (x: tf.Tensor) =>
      precision("bf16", () => scan((c) => [tf.tanh(tf.matMul(c as tf.Tensor2D, w)), null], x, tf.zeros([3]))[0]);
    const checked = (x: tf.Tensor) =>
      precision("bf16", () => checkpoint((c: tf.Tensor) => tf.tanh(tf.matMul(c as tf.Tensor2D, w)))(x));
    const module = await programOf(() => tf.grad((x) => tf.add(looped(x), checked(x)))(numbers([2, 8], 0)));
    expect(dots(module).length).toBeGreaterThanOrEqual(4);
    for (const dot of dots(module)) expect(dot).toMatch(BF16_DOT);
  });
});

describe("highest", () => {
  it("asks the device for full f32; the default does not", async () => {
    for (const [policy, attribute] of [
      ["highest", "HIGHEST"],
      ["default", "DEFAULT"],
    ] as const) {
      const found = dots(await programOf(forward, policy));
      expect(found.length).toBe(3);
      for (const dot of found)
        expect(dot).toContain(`[#stablehlo<precision ${attribute}>, #stablehlo<precision ${attribute}>]`);
    }
  });
});

describe("a policy", () => {
  it("is part of a compiled function's signature, and an inner one wins", () => {
    const f = jit((x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, tf.ones([1, 1])));
    const x = tf.fill([1, 1], 1 + 2 ** -10);
    expectClose(f(x), [[1 + 2 ** -10]], EXACT);
    expectClose(
      precision("bf16", () => f(x)),
      [[1]],
      EXACT,
    );
    expectClose(f(x), [[1 + 2 ** -10]], EXACT);
    const full = jit((y: tf.Tensor) => tf.matMul(y as tf.Tensor2D, tf.ones([1, 1])), { precision: "highest" });
    expectClose(
      precision("bf16", () => full(x)),
      [[1 + 2 ** -10]],
      EXACT,
    );
  });

  it("ends with its function, also when that throws", () => {
    expect(() =>
      precision("bf16", () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(currentPrecision()).toBe("default");
  });

  it("is refused when it is unknown, or its function asynchronous", () => {
    expect(() => precision("fp8" as Precision, forward)).toThrow(
      'precision is "fp8": it is one of default, bf16, highest',
    );
    expect(() => precision("bf16", async () => Promise.resolve(1))).toThrow(
      "precision takes a function that returns at once",
    );
  });

  it("is ignored by other backends, which is said once", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await tf.setBackend("cpu");
    const product = () => precision("bf16", () => tf.matMul(tf.fill([1, 1], 1 + 2 ** -10), tf.ones([1, 1])));
    expectClose(product(), [[1 + 2 ** -10]], EXACT);
    product();
    const notes = warn.mock.calls.filter(([text]) => String(text).includes("precision"));
    expect(notes).toEqual([['precision "bf16" is a policy of the backend xla: cpu computes in f32']]);
  });
});
