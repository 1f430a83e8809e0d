import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import "../index";
import { random, type XlaBackend } from "../index";
import { Client } from "../pjrt";
import { binary, broadcastInDim, parameter, reshape, unary, type TensorType, type Value } from "../stablehlo";
import { expectClose } from "../testing";
import { computedOnce } from "./computed-once";

const type: TensorType = { dtype: "f32", shape: [6] };
const sine = (x: Value): Value => unary("sine", x);
const multiply = (a: Value, b: Value): Value => binary("multiply", a, b);

describe("a value that a recorded program computes once", () => {
  it("is one that several operations read, however it is seen", () => {
    const x = parameter(type);
    const y = sine(x);
    expect([...computedOnce([x], [multiply(sine(y), y), sine(sine(x))])]).toEqual([y]);
    const seen = reshape(y, [2, 3]);
    expect([...computedOnce([x], [unary("exponential", seen), multiply(seen, seen)])]).toEqual([y]);
  });

  it("is none that has data, that one operation reads, or that costs nothing", () => {
    const x = parameter(type);
    const y = sine(x);
    expect(computedOnce([x], [multiply(y, y), sine(x)]).size).toBe(0);
    expect(computedOnce([y], [sine(y), multiply(y, x)]).size).toBe(0);
    const wide = broadcastInDim(sine(parameter({ dtype: "f32", shape: [] })), [6], []);
    expect(computedOnce([], [wide]).size).toBe(0);
  });
});

describe("lines that each read the line before twice", () => {
  let compile: MockInstance<Client["compileSync"]>;
  const compiled = (): string[] => compile.mock.calls.map(([module]) => String(module));
  beforeEach(async () => {
    process.env.XLA_CACHE_DIR = "off";
    await tf.setBackend("xla");
    compile = vi.spyOn(Client.prototype, "compileSync");
  });
  afterEach(() => compile.mockRestore());

  /** Many tensors are disposed of before anything is computed. */
  const chain = (x: tf.Tensor, length: number): tf.Tensor => {
    for (let i = 0; i < length; i++) x = tf.tidy(() => tf.sub(tf.mul(tf.sin(x), 0.9), tf.mean(x)));
    return x;
  };

  it("are computed in a program that does not grow with its readers' readers", () => {
    const x = random.normal([40], { seed: 1 });
    const values = [...x.dataSync()];
    compile.mockClear();
    const actual = chain(x, 12).dataSync();
    const expected = Array.from({ length: 12 }).reduce<number[]>((before) => {
      const mean = before.reduce((sum, each) => sum + each, 0) / before.length;
      return before.map((each) => 0.9 * Math.sin(each) - mean);
    }, values);
    expectClose(actual, expected, { rtol: 1e-4, atol: 1e-5 });
    const isCpu = (tf.backend() as XlaBackend).device.kind === "cpu";
    // The first line reads what has data.
    if (isCpu) expect(compiled()[0].split("optimization_barrier").length - 1).toBe(11);
  });

  it("are computed in programs of bounded length where nothing reads them", () => {
    chain(random.normal([40], { seed: 1 }), 600);
    expect(compiled().length).toBeGreaterThan(0);
    const longest = Math.max(...compiled().map((module) => module.split("stablehlo.sine").length - 1));
    expect(longest).toBeGreaterThan(100);
    expect(longest).toBeLessThan(520);
  });
});
