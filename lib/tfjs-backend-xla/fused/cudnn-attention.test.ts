import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { jit, precision, type XlaBackend } from "../index";
import { parameter, type DType, type Value } from "../stablehlo";
import { attentionCall, cudnnAttention, suitsCudnnAttention, type CudnnAttentionType } from "./cudnn-attention";

/** What JAX emits: written by golden/print_jax_attention.py. */
interface Golden {
  readonly cases: readonly {
    readonly type: CudnnAttentionType;
    readonly shape: readonly [number, number, number, number];
    readonly hasBias: boolean;
    readonly calls: readonly Call[];
  }[];
}

interface Call {
  readonly target: string;
  readonly apiVersion: number;
  readonly config: unknown;
  readonly operandLayouts: readonly string[];
  readonly resultLayouts: readonly string[];
  readonly operandTypes: readonly string[];
  readonly resultTypes: readonly string[];
}

const golden = JSON.parse(fs.readFileSync(path.join(__dirname, "golden/jax-attention.json"), "utf8")) as Golden;
let backend: XlaBackend;

beforeAll(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

afterEach(() => {
  vi.restoreAllMocks();
});

const typeOf = ({ type: { dtype, shape } }: Value): string => `tensor<${[...shape, dtype].join("x")}>`;

/** A call as it is written in a module, read back. */
function readBack([{ op }]: readonly Value[]): Call {
  const quoted = (name: string): string => {
    const text = new RegExp(`${name} = "([^"]*)"`).exec(op.attributes)![1];
    return text.replace(/\\([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
  };
  // MLIR prints a list of one element, and of equal ones, without brackets.
  const layouts = (name: string): string[] =>
    new RegExp(`${name} = \\[(.*?x?index>)\\]`)
      .exec(op.attributes)![1]
      .split(/(?<=index>), /)
      .map((layout) => layout.replace(/^dense<\[(\d+)\]>/, "dense<$1>"));
  return {
    target: quoted("call_target_name"),
    apiVersion: Number(/api_version = (\d+)/.exec(op.attributes)![1]),
    config: JSON.parse(quoted("backend_config")),
    operandLayouts: layouts("operand_layouts"),
    resultLayouts: layouts("result_layouts"),
    operandTypes: op.operands.map(typeOf),
    resultTypes: op.results.map(typeOf),
  };
}

describe.each(golden.cases)("attention of $type $shape, with a bias: $hasBias", ({ type, shape, hasBias, calls }) => {
  const [batch, heads, length, headSize] = shape;
  const sizes = { batch, heads, length, headSize, type };
  const argument = (dtype: DType, dims: readonly number[]): Value => parameter({ dtype, shape: dims });
  const each = (count: number): Value[] => Array.from({ length: count }, () => argument(type, shape));
  const bias = hasBias ? [argument(type, [batch, 1, length, length])] : [];
  const isBias = (typeText: string): boolean => typeText.startsWith(`tensor<${batch}x1x${length}x${length}x`);

  /** JAX's call, but for where data lies: here the heads of a position are side by side in all of [B, H, L, K]. */
  const expected = (call: Call): Call => {
    const layouts = (names: readonly string[], types: readonly string[]): string[] =>
      names.map((name, i) => (isBias(types[i]) ? name : name.replace("dense<[3, 2, 1, 0]>", "dense<[3, 1, 2, 0]>")));
    return {
      ...call,
      operandLayouts: layouts(call.operandLayouts, call.operandTypes),
      resultLayouts: layouts(call.resultLayouts, call.resultTypes),
    };
  };

  test("the forward call is JAX's", () => {
    expect(readBack(attentionCall("forward", [...each(3), ...bias], sizes))).toEqual(expected(calls[0]));
  });

  test("the backward call is JAX's", () => {
    const operands = [...each(3), argument("f32", [batch, heads, length]), ...each(1), ...bias, ...each(1)];
    expect(readBack(attentionCall("backward", operands, sizes))).toEqual(expected(calls[1]));
  });
});

/** The program of attention and its gradients, taken on its way to the compiler. */
async function moduleOf(type: CudnnAttentionType, hasBias = false): Promise<string> {
  const compile = vi.spyOn(backend.device, "compileAsync").mockRejectedValue(new Error("taken"));
  const run = jit((tensors: tf.Tensor[]) => {
    const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor4D =>
      cudnnAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
        type,
        bias: hasBias ? tf.tidy(() => tf.add<tf.Tensor4D>(tf.fill([1, 1, 6, 6], 1), tf.sum(tensors[4]))) : undefined,
      });
    const { value, grads } = tf.valueAndGrads(attend)(tensors.slice(0, 3), tensors[3] as tf.Tensor4D);
    return [value, ...grads];
  });
  await expect(run.prepare([1, 2, 3, 4, 5].map(() => tf.zeros([1, 2, 6, 8])))).rejects.toThrow("taken");
  const [module] = compile.mock.lastCall!;
  compile.mockRestore();
  return module;
}

/** The lines of such a program that call cuDNN, the operands of a line, and what of a line's value was converted from. */
async function callsOf(hasBias: boolean) {
  const lines = (await moduleOf("bf16", hasBias)).split("\n").map((line) => line.trim());
  const operandsOf = (line: string): string[] => /\((%[^)]*)\)/.exec(line)![1].split(", ");
  const argumentOf = (name: string): string =>
    operandsOf(lines.find((line) => line.startsWith(`${name} = "stablehlo.convert"`))!)[0];
  const [forward, backward] = lines.filter((line) => line.includes("custom_call"));
  return { forward, backward, operandsOf, argumentOf };
}

test("each factor goes where cuDNN looks for it, rounded once, and comes back as f32", async () => {
  const { forward, backward, operandsOf, argumentOf } = await callsOf(false);
  expect(operandsOf(forward).map(argumentOf)).toEqual(["%arg0", "%arg1", "%arg2"]);
  const [q, k, v, logSums, dOut, out] = operandsOf(backward);
  expect([q, k, v, dOut].map(argumentOf)).toEqual(["%arg0", "%arg1", "%arg2", "%arg3"]);
  const [result, sums] = forward.split(" = ")[0].split(", ");
  expect(logSums).toBe(sums);
  expect(argumentOf(argumentOf(out))).toBe(result); // to f32, as the tensor that is returned, and back
});

test("a bias goes behind the values, and then between the gradient of the result and the result", async () => {
  const { forward, backward, operandsOf, argumentOf } = await callsOf(true);
  const [bias, ...more] = operandsOf(forward).slice(3).map(argumentOf);
  expect(more).toEqual([]);
  const [dOut, biasAgain, out, ...others] = operandsOf(backward).slice(4).map(argumentOf);
  expect(others).toEqual([]);
  expect([dOut, biasAgain]).toEqual(["%arg3", bias]);
  expect(forward).toContain(argumentOf(out));
});

test("the program is well formed: only the call's name is unknown without CUDA", async () => {
  for (const type of ["bf16", "f16"] as const) {
    await expect(backend.device.compileAsync(await moduleOf(type))).rejects.toThrow(/__cudnn\$fmhaSoftmax/);
    await expect(backend.device.compileAsync(await moduleOf(type, true))).rejects.toThrow(/__cudnn\$fmhaScaleBias/);
  }
});

test("it is chosen on CUDA, in bf16, for the shapes that cuDNN takes, and nowhere else", () => {
  const suits = (shape: number[]): boolean => precision("bf16", () => suitsCudnnAttention(shape));
  expect(suits([2, 4, 1024, 64])).toBe(false);
  const { kind } = backend.device;
  Object.defineProperty(backend.device, "kind", { value: "cuda", configurable: true, writable: true });
  try {
    expect(suitsCudnnAttention([2, 4, 1024, 64])).toBe(false);
    expect(precision("highest", () => suitsCudnnAttention([2, 4, 1024, 64]))).toBe(false);
    const shapes = [[2, 4, 1024, 64], [1, 1, 2, 128], [2, 4, 1024, 136], [2, 4, 1024, 60], [2, 4, 1023, 64]]; // prettier-ignore
    expect(shapes.map(suits)).toEqual([true, true, false, false, false]);
    const taken: boolean[] = [];
    for (const deterministic of [true, false]) {
      const noted = jit(() => (taken.push(suits([2, 4, 1024, 64])), tf.fill([1], 0)), { deterministic });
      noted();
    }
    expect(taken).toEqual([false, true]);
  } finally {
    Object.defineProperty(backend.device, "kind", { value: kind, configurable: true, writable: true });
  }
});

test("what cuDNN does not take is refused, and so is a deterministic program", () => {
  const zeros = (shape: number[], dtype: "float32" | "int32" = "float32"): tf.Tensor4D =>
    tf.zeros<tf.Rank.R4>(shape as [number, number, number, number], dtype);
  const q = zeros([1, 2, 6, 8]);
  const attend = jit(() => cudnnAttention(q, q, q), { deterministic: true });
  expect(() => attend()).toThrow("cannot be part of a deterministic program");
  expect(() => cudnnAttention(q, q, zeros([1, 2, 4, 8]))).toThrow("expected three float32 tensors of one shape");
  expect(() => cudnnAttention(q, zeros([1, 2, 6, 8], "int32"), q)).toThrow("int32 [1, 2, 6, 8]");
  const [odd, narrow] = [zeros([1, 2, 5, 8]), zeros([1, 2, 6, 4])];
  for (const shape of [
    [2, 1, 6, 6],
    [1, 3, 6, 6],
    [1, 1, 6, 5],
  ])
    // prettier-ignore
    expect(() => cudnnAttention(q, q, q, { bias: zeros(shape) })).toThrow(
      `the bias is float32 [${shape.join(", ")}]: expected float32 [1 or 1, 2 or 1, 6, 6]`,
    );
  expect(() => cudnnAttention(odd, odd, odd)).toThrow("length 5 and head size 8: cuDNN takes even lengths");
  expect(() => cudnnAttention(narrow, narrow, narrow)).toThrow("length 6 and head size 4");
});
