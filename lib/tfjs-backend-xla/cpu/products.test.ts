// Shapes: M and N rows and columns of the result, K terms of each sum.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { precision, random, XlaDevice, type XlaBackend } from "../index";
import { findPlugin, loadPlugin, openClient } from "../pjrt";
import { expectClose } from "../testing";
import { openProducts, PRODUCT_TARGET } from "./index";

const folder = path.dirname(__dirname);
const products = openProducts(loadPlugin(findPlugin("cpu")));
const isHere = "hash" in products;

vi.stubEnv("XLA_DEVICE", "cpu");
beforeAll(async () => void (await tf.setBackend("xla")));

const isCompiled = existsSync(path.join(folder, `dist/cpu/kernels-${process.platform}-${process.arch}.so`));
const hasTiles = process.platform === "linux" && /\bamx_bf16\b/.test(readFileSync("/proc/cpuinfo", "utf8"));

it.runIf(isCompiled && hasTiles)("native products are used where they are compiled and the processor has AMX", () => {
  expect(products).toEqual({ hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
  expect((tf.backend() as XlaBackend).device.hasProducts).toBe(true);
});

interface Shapes {
  readonly a: number[];
  readonly b: number[];
  readonly turned?: readonly [boolean, boolean];
}

/** The product of the last two axes in float64, with batches that broadcast. */
function loop(a: tf.Tensor, b: tf.Tensor, [aTurned, bTurned]: readonly [boolean, boolean]): Float64Array {
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const spread = (x: tf.Tensor) => tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)]).dataSync();
  const [x, y] = [spread(a), spread(b)];
  const [m, k] = aTurned ? a.shape.slice(-2).reverse() : a.shape.slice(-2);
  const n = b.shape.at(bTurned ? -2 : -1)!;
  const out = new Float64Array((x.length / k) * n);
  for (let g = 0; g < x.length / (m * k); g++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++)
          sum += x[g * m * k + (aTurned ? p * m + i : i * k + p)] * y[g * k * n + (bTurned ? j * k + p : p * n + j)];
        out[(g * m + i) * n + j] = sum;
      }
  return out;
}

/** How often a program that was compiled meanwhile calls the native product. */
async function calls(compute: () => Promise<unknown>): Promise<number> {
  const compile = vi.spyOn(XlaDevice.prototype, "compile");
  const compileAsync = vi.spyOn(XlaDevice.prototype, "compileAsync");
  await compute();
  const modules = [...compile.mock.calls, ...compileAsync.mock.calls].map(([module]) => module);
  vi.restoreAllMocks();
  return modules.join("").split(`"${PRODUCT_TARGET}"`).length - 1;
}

/** Rounded, halves to even. */
function toBfloat16(x: tf.Tensor): tf.Tensor {
  const bits = new Uint32Array(Float32Array.from(x.dataSync()).buffer);
  const rounded = bits.map((each) => ((each + 0x7fff + ((each >>> 16) & 1)) & 0xffff0000) >>> 0);
  return tf.tensor(new Float32Array(rounded.buffer), x.shape);
}

/** The relative error in root mean square. */
const errorOf = (actual: ArrayLike<number>, exact: Float64Array): number =>
  Math.sqrt(exact.reduce((sum, x, i) => sum + (actual[i] - x) ** 2, 0) / exact.reduce((sum, x) => sum + x ** 2, 0));

let seed = Math.floor(Math.random() * 2 ** 30);
const drawn = (shape: number[]) => random.normal(shape, { seed: seed++ });

const type = (shape: readonly number[], of = "f32") => `tensor<${[...shape, of].join("x")}>`;
const call = (a: string, b: string, c: string, config = "{a_turned = false, b_turned = false, bf16 = false}") =>
  `func.func @main(%a: ${a}, %b: ${b}) -> ${c} { %c = "stablehlo.custom_call"(%a, %b) {api_version = 4 : i32, ` +
  `call_target_name = "${PRODUCT_TARGET}", backend_config = ${config}} : (${a}, ${b}) -> ${c} return %c : ${c} }`;
/** What a program computes of two inputs, zeros where they are shapes. */
async function run(text: string, inputs: readonly (tf.Tensor | number[])[]): Promise<Float32Array> {
  const client = openClient("cpu");
  const buffers = inputs.map((input) => {
    const dims = Array.isArray(input) ? input : input.shape;
    const values = Array.isArray(input) ? new Float32Array(tf.util.sizeFromShape(dims)) : input.dataSync<"float32">();
    return client.bufferFromHost(values, "f32", dims);
  });
  return (await client.compileSync(text).execute(buffers)[0].toHost()) as Float32Array;
}

/** A call as it is, whether or not `matMul` would make it: of [G, M, K] and [G, K, N], or with their last axes turned. */
async function native(
  a: tf.Tensor,
  b: tf.Tensor,
  [aTurned, bTurned]: readonly [boolean, boolean] = [false, false],
  bf16 = false,
): Promise<Float32Array> {
  const shape = [a.shape[0], a.shape.at(aTurned ? 2 : 1)!, b.shape.at(bTurned ? 1 : 2)!];
  const config = `{a_turned = ${String(aTurned)}, b_turned = ${String(bTurned)}, bf16 = ${String(bf16)}}`;
  return run(call(type(a.shape), type(b.shape), type(shape), config), [a, b]);
}

describe.skipIf(!isHere)(`native products (${isHere ? "here" : products.missing})`, () => {
  it.each<Shapes>([
    { a: [1, 513, 129], b: [1, 129, 257] },
    { a: [1, 513, 129], b: [1, 257, 129], turned: [false, true] },
    { a: [1, 129, 513], b: [1, 129, 257], turned: [true, false] },
    { a: [1, 129, 513], b: [1, 257, 129], turned: [true, true] },
    { a: [1, 17, 2049], b: [1, 2049, 33] },
    { a: [1, 4097, 17], b: [1, 17, 33] },
    { a: [1, 17, 33], b: [1, 17, 4097], turned: [true, false] },
    { a: [7, 129, 65], b: [7, 33, 129], turned: [true, true] },
    { a: [3, 1, 5], b: [3, 5, 2] },
    { a: [1, 1, 1], b: [1, 1, 1] },
  ])("are those of a plain loop, and round no more than XLA's, %j", async ({ a, b, turned = [false, false] }) => {
    const [x, y] = [drawn(a), drawn(b)];
    const exact = loop(x, y, turned);
    const actual = await native(x, y, turned);
    expectClose(actual, Float32Array.from(exact), { rtol: 1e-5, atol: 1e-4 });
    const highest = await precision("highest", () => tf.matMul(x, y, ...turned)).data();
    if (a[2] > 5 && a[1] > 5) expect(errorOf(actual, exact)).toBeLessThanOrEqual(errorOf(highest, exact));
  });

  it.each<Shapes>([
    { a: [513, 192], b: [192, 257] },
    { a: [2, 2, 301, 193], b: [2, 2, 193, 230] },
    { a: [2, 193, 301], b: [2, 230, 193], turned: [true, true] },
    { a: [4, 130, 193], b: [193, 229] },
    { a: [4, 130, 193], b: [1, 1, 229, 193], turned: [false, true] },
    { a: [2, 193, 301], b: [193, 229], turned: [true, false] },
    { a: [301, 193], b: [3, 2, 193, 229] },
    { a: [2, 1, 301, 193], b: [3, 193, 229] },
  ])("are what matMul takes where matrices are large: %j", async ({ a, b, turned = [false, false] }) => {
    const [x, y] = [drawn(a), drawn(b)];
    let product = tf.scalar(0) as tf.Tensor;
    expect(await calls(() => (product = tf.matMul(x, y, ...turned)).data())).toBe(1);
    const highest = precision("highest", () => tf.matMul(x, y, ...turned));
    expect(product.shape).toEqual(highest.shape);
    expectClose(await product.data(), await highest.data(), { rtol: 1e-5, atol: 1e-4 });
  });

  it.each([1e-30, 1e-15, 1e15, 1e30])("keep their digits with numbers near %d", async (size) => {
    const [x, y] = [tf.mul(drawn([1, 129, 300]), size), tf.div(drawn([1, 300, 65]), size)];
    const exact = loop(x, y, [false, false]);
    expect(errorOf(await native(x, y), exact)).toBeLessThan(3e-7);
  });

  it.each([Infinity, -Infinity, NaN, 3.4e38])("are those of f32 with a %d among the numbers", async (odd) => {
    const values = drawn([1, 65, 300]).dataSync();
    values[1234] = odd;
    values[7 * 300] = -odd;
    const [x, y] = [tf.tensor(values, [1, 65, 300]), drawn([1, 300, 129])];
    const actual = await native(x, y);
    const expected = await precision("highest", () => tf.matMul(x, y)).data();
    for (const [i, value] of expected.entries()) {
      if (Number.isFinite(value))
        expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(1e-4 + 1e-5 * Math.abs(value));
      else expect(actual[i]).toBe(value);
    }
  });

  it.each([false, true])("in bf16 are those of rounded numbers, turned: %s", async (isTurned) => {
    const [x, y] = [drawn(isTurned ? [2, 300, 65] : [2, 65, 300]), drawn([2, 300, 129])];
    const exact = loop(toBfloat16(x), toBfloat16(y), [isTurned, false]);
    expect(errorOf(await native(x, y, [isTurned, false], true), exact)).toBeLessThan(3e-7);
  });

  it("in bf16 are infinite, and no numbers, where f32's would be", async () => {
    const values = new Float32Array(64 * 64).fill(1);
    [values[0], values[64], values[128]] = [Infinity, NaN, 3.4e38];
    const product = await native(tf.tensor(values, [1, 64, 64]), tf.ones([1, 64, 64]), [false, false], true);
    expect([0, 1, 2, 3].map((row) => product[row * 64 + 5])).toEqual([Infinity, NaN, Infinity, 64]);
  });

  it("are what matMul takes in the precision bf16, whose results are rounded, too", async () => {
    const [x, y] = [drawn([301, 193]), drawn([193, 229])];
    let product = tf.scalar(0) as tf.Tensor;
    expect(await calls(() => (product = precision("bf16", () => tf.matMul(x, y))).data())).toBe(1);
    const exact = Float32Array.from(loop(toBfloat16(x), toBfloat16(y), [false, false]));
    const actual = await product.data<"float32">();
    expectClose(actual, exact, { rtol: 2 ** -8, atol: 1e-4 });
    expect(actual).toEqual(toBfloat16(product).dataSync());
  });

  it("are left to XLA where they are small or narrow, of other types, or of another precision", async () => {
    const matrix = (rows: number, columns: number) => drawn([rows, columns]);
    expect(await calls(() => tf.matMul(matrix(128, 128), matrix(128, 128)).data())).toBe(0);
    expect(await calls(() => tf.matMul(matrix(48, 1024), matrix(1024, 1024)).data())).toBe(0);
    for (const [a, b] of [
      [
        [0, 0],
        [0, 300],
      ],
      [
        [300, 0],
        [0, 300],
      ],
      [
        [0, 300, 300],
        [0, 300, 300],
      ],
      [
        [0, 300, 300],
        [300, 300],
      ],
    ]) {
      let product = tf.scalar(0) as tf.Tensor;
      expect(await calls(() => (product = tf.matMul(tf.zeros(a), tf.zeros(b))).data())).toBe(0);
      expect(product.shape).toEqual([...a.slice(0, -1), 300]);
    }
    const integers = tf.ones([256, 256], "int32");
    expect(await calls(() => tf.matMul(integers, integers).data())).toBe(0);
    expect(await calls(() => precision("highest", () => tf.matMul(matrix(256, 256), matrix(256, 256))).data())).toBe(0);
  });

  it("have the gradients of matrix products", async () => {
    const inputs = [drawn([2, 301, 193]), drawn([2, 193, 229])];
    const dy = drawn([2, 301, 229]);
    const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b));
    let actual: tf.Tensor[] = [];
    const computed = async () => {
      actual = gradients(inputs, dy);
      for (const gradient of actual) await gradient.data();
    };
    expect(await calls(computed)).toBe(2);
    const expected = precision("highest", () => gradients(inputs, dy));
    for (const [i, gradient] of actual.entries())
      expectClose(await gradient.data(), await expected[i].data(), { rtol: 1e-5, atol: 1e-4 });
  });

  it("take part in fused kernels", async () => {
    const [a, b, bias] = [drawn([301, 193]), drawn([193, 229]), drawn([229])];
    const fused = tf.fused.matMul({ a, b, bias, activation: "relu" });
    const expected = precision("highest", () => tf.relu(tf.add(tf.matMul(a, b), bias)));
    expectClose(await fused.data(), await expected.data(), { rtol: 1e-5, atol: 1e-4 });
  });

  it.each<[number, string, ...number[][]]>([
    [1, "bij,bjk->bik", [2, 301, 193], [2, 193, 229]],
    [1, "bji,bkj->kib", [2, 193, 301], [2, 229, 193]],
    [1, "ji,kj->ik", [193, 301], [229, 193]],
    [0, "bij,jbk->bik", [2, 301, 193], [193, 2, 229]],
    [0, "ij,jkl->ikl", [301, 193], [193, 3, 229]],
    [0, "ijk,jkl->il", [301, 3, 193], [3, 193, 229]],
  ])("compute, in %d calls, what of a contraction is a product of matrices: %s", async (count, equation, ...shapes) => {
    const inputs = shapes.map(drawn);
    let result = tf.scalar(0) as tf.Tensor;
    expect(await calls(() => (result = tf.einsum(equation, ...inputs)).data())).toBe(count);
    const expected = precision("highest", () => tf.einsum(equation, ...inputs));
    expectClose(await result.data(), await expected.data(), { rtol: 1e-5, atol: 1e-3 });
  });

  it("are registered again without harm, as worker threads and reloaded modules do", async () => {
    vi.resetModules();
    delete (globalThis as Record<symbol, unknown>)[Symbol.for("tfjs-backend-xla.cpu.library")];
    const reloaded = await import("./index.js");
    expect(reloaded.openProducts(loadPlugin(findPlugin("cpu")))).toEqual(products);
  });

  describe("a call that does not fit", () => {
    it.each([
      {
        a: [1, 32, 16],
        b: [1, 32, 16],
        c: [1, 32, 16],
        message: "[1, 32, 16] and [1, 32, 16] do not give [1, 32, 16]",
      },
      { a: [2, 32, 16], b: [1, 16, 32], c: [2, 32, 32], message: "do not give" },
      { a: [1, 32, 16], b: [1, 16, 32], c: [1, 32, 64], message: "do not give" },
      { a: [32, 16], b: [16, 32], c: [32, 32], message: "three axes" },
      { a: [1, 32, 0], b: [1, 0, 32], c: [1, 32, 32], message: "none of them empty" },
    ])("is an error: $a by $b to $c", async ({ a, b, c, message }) => {
      await expect(run(call(type(a), type(b), type(c)), [a, b])).rejects.toThrow(message);
    });

    it("is an error with attributes of another type, and with operands of one", async () => {
      const [a, b, c] = [type([1, 32, 16]), type([1, 16, 32]), type([1, 32, 32])];
      const client = openClient("cpu");
      expect(() => client.compileSync(call(a, b, c, "{a_turned = false}"))).toThrow('no "b_turned"');
      expect(() => client.compileSync(call(a, b, c, "{a_turned = 1 : i64, b_turned = false, bf16 = false}"))).toThrow(
        "expected a boolean",
      );
      const result = run(call(a, b, type([1, 32, 32], "i32")), [
        [1, 32, 16],
        [1, 16, 32],
      ]);
      await expect(result).rejects.toThrow("expected f32");
    });
  });

  describe("in other processes", () => {
    const cache = mkdtempSync(path.join(os.tmpdir(), "xla-products-"));
    afterAll(() => rmSync(cache, { recursive: true }));

    const PROGRAM = `
      const tf = require("@tensorflow/tfjs-core");
      const { random } = require("./index");
      const { createHash } = require("node:crypto");
      tf.setBackend("xla").then(async () => {
        const draw = (shape, seed) => random.normal(shape, { seed });
        const hashes = [];
        for (const [a, b, turned] of [[[513, 257], [257, 1030], false], [[2, 300, 230], [2, 300, 1200], true]]) {
          const [x, y] = [draw(a, 1), draw(b, 2)];
          for (let i = 0; i < 2; i++)
            hashes.push(createHash("sha256").update(await tf.matMul(x, y, turned).data()).digest("hex"));
        }
        console.log(JSON.stringify({ compiled: tf.backend().device.compileCount, hashes }));
      });`;

    function runProgram(taskset: readonly string[] = [], cacheFolder = cache): { compiled: number; hashes: string[] } {
      const node = [process.execPath, "--require", "ts-node/register/transpile-only", "--eval", PROGRAM];
      const [command, ...args] = [...taskset, ...node];
      const env = { ...process.env, XLA_DEVICE: "cpu", XLA_CACHE_DIR: cacheFolder };
      const { stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: "utf8" });
      if (!stdout.startsWith("{")) throw new Error(stderr);
      return JSON.parse(stdout) as { compiled: number; hashes: string[] };
    }

    it("have the same bits on repetition, from the cache, and on one thread", () => {
      const first = runProgram();
      expect(first.compiled).toBeGreaterThan(0);
      expect(first.hashes[0]).toBe(first.hashes[1]);
      expect(first.hashes[2]).toBe(first.hashes[3]);
      expect(runProgram()).toEqual({ compiled: 0, hashes: first.hashes });
      expect(runProgram(["taskset", "-c", "0"], "off").hashes).toEqual(first.hashes);
    });
  });

  it("have the library's hash as their identity", () => {
    const file = path.join(folder, `dist/cpu/kernels-${process.platform}-${process.arch}.so`);
    expect(products).toEqual({ hash: createHash("sha256").update(readFileSync(file)).digest("hex") });
  });
});
