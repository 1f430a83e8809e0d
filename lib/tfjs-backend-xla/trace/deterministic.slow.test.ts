import { spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import "../index";
import { jit, type XlaBackend } from "../index";
import { Client } from "../pjrt";

/** Trains a little network, with sums long enough to be split over threads, and prints the bits of its weights. */
const TRAINING = `
  const tf = require("@tensorflow/tfjs-core");
  const { jit, random } = require("./index");
  const { createHash } = require("node:crypto");
  tf.setBackend("xla").then(async () => {
    const weights = [[64, 256], [256, 8]].map((shape, i) => tf.variable(tf.mul(random.normal(shape, { seed: i }), 0.1)));
    const x = random.normal([4096, 64], { seed: 7 });
    const loss = () => tf.mean(tf.square(tf.matMul(tf.tanh(tf.matMul(x, weights[0])), weights[1])));
    const step = jit(() => {
      const { value, grads } = tf.variableGrads(loss, weights);
      for (const w of weights) w.assign(tf.sub(w, tf.mul(grads[w.name], 0.1)));
      return value;
    }, { deterministic: true });
    const losses = [];
    for (let i = 0; i < 10; i++) losses.push((await step().data())[0]);
    const hash = createHash("sha256");
    for (const w of weights) hash.update(new Uint8Array((await w.data()).buffer));
    console.log(JSON.stringify({ losses, hash: hash.digest("hex"), compiled: tf.backend().device.compileCount }));
  });
`;

interface Outcome {
  readonly losses: number[];
  readonly hash: string;
  readonly compiled: number;
}

function train(environment: NodeJS.ProcessEnv = {}): Outcome {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--require", "ts-node/register/transpile-only", "--eval", TRAINING],
    {
      cwd: path.dirname(__dirname),
      env: { ...process.env, XLA_DEVICE: "cpu", XLA_CACHE_DIR: "off", ...environment },
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Outcome;
}

describe("a deterministic training", () => {
  it("gives the same bits in another process, which compiles it anew", () => {
    const [first, second] = [train(), train()];
    expect(first.compiled).toBeGreaterThan(0);
    expect(first.losses[9]).toBeLessThan(first.losses[0]);
    expect(second).toEqual(first);
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")(
    "gives losses that agree to 1e-5 where the processor has fewer features",
    () => {
      const [here, there] = [train(), train({ XLA_FLAGS: "--xla_cpu_max_isa=SSE4_2" })];
      here.losses.forEach((loss, i) => expect(Math.abs(there.losses[i] / loss - 1)).toBeLessThan(1e-5));
    },
  );
});

describe("a compiled function that is to be deterministic", () => {
  beforeAll(async () => {
    process.env.XLA_CACHE_DIR = "off";
    await tf.setBackend("xla");
  });

  it("is compiled with XLA's flags, apart from one that is not", async () => {
    const compile = vi.spyOn(Client.prototype, "compile");
    const { device } = tf.backend() as XlaBackend;
    const fn = (x: tf.Tensor) => tf.mul(x, 3);
    const before = device.programCount;
    await jit(fn, { name: "f", deterministic: true }).prepare(tf.scalar(1));
    await jit(fn, { name: "f" }).prepare(tf.scalar(1));
    expect(device.programCount).toBe(before + 2);
    const options = compile.mock.calls.map(([, each]) => each);
    expect(options).toEqual([{ overrides: { xla_gpu_deterministic_ops: true, xla_gpu_autotune_level: 0 } }, {}]);
    compile.mockRestore();
  });
});
