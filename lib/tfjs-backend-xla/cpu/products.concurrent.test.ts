import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { jit, random } from "../index";
import { findPlugin, loadPlugin } from "../pjrt";
import { openProducts } from "./index";

const products = openProducts(loadPlugin(findPlugin("cpu")));
const isHere = "hash" in products;

vi.stubEnv("XLA_DEVICE", "cpu");
beforeAll(async () => void (await tf.setBackend("xla")));

/** More than the machine has threads: calls then wait for each other's helpers on all of them. */
const AT_ONCE = 12;
const SHAPE = [260, 260];

let seed = Math.floor(Math.random() * 2 ** 30);
const drawn = () => Array.from({ length: AT_ONCE }, () => random.normal(SHAPE, { seed: seed++ }));
const bitsOf = async (tensor: tf.Tensor) =>
  createHash("sha256")
    .update(await tensor.data())
    .digest("hex");

describe.skipIf(!isHere)(`native products at once (${isHere ? "here" : products.missing})`, () => {
  it("of one program, and of programs in flight together, have the bits of each alone", async () => {
    const [x, y] = [drawn(), drawn()];
    const product = (i: number, isTurned: boolean) =>
      isTurned ? tf.matMul(y[i], x[i], true, true) : tf.matMul(x[i], y[i]);
    const alone = async (isTurned: boolean) => {
      const results: string[] = [];
      for (const i of x.keys()) results.push(await bitsOf(product(i, isTurned)));
      return results;
    };
    const expected = [await alone(false), await alone(true)];
    const [plain, turned] = [false, true].map((isTurned) => jit(() => x.map((_, i) => product(i, isTurned))));
    for (let round = 0; round < 20; round++) {
      const inFlight = [plain(), turned(), plain(), turned()];
      const bits = await Promise.all(inFlight.map((results) => Promise.all(results.map(bitsOf))));
      expect(bits).toEqual([...expected, ...expected]);
      tf.dispose(inFlight);
    }
  });

  it("are computed by worker threads, too, each with a backend of its own", () => {
    const program = `
      require("ts-node/register/transpile-only");
      const { createHash } = require("node:crypto");
      const { isMainThread, parentPort, Worker } = require("node:worker_threads");
      const tf = require("@tensorflow/tfjs-core");
      const { random } = require("./index");
      async function multiply() {
        await tf.setBackend("xla");
        const [x, y] = [1, 2].map((seed) => random.normal([513, 513], { seed }));
        const hash = createHash("sha256");
        for (let i = 0; i < 10; i++) hash.update(await tf.matMul(x, y).data());
        return { hasProducts: tf.backend().device.hasProducts, hash: hash.digest("hex") };
      }
      async function main() {
        const workers = [1, 2].map(() => new Worker(process.env.PROGRAM, { eval: true }));
        const answers = workers.map((worker) => new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject)));
        console.log(JSON.stringify(await Promise.all([multiply(), ...answers])));
      }
      if (isMainThread) main(); else multiply().then((answer) => parentPort.postMessage(answer));`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--eval", program], {
      cwd: path.dirname(__dirname),
      env: { ...process.env, XLA_DEVICE: "cpu", XLA_CACHE_DIR: "off", PROGRAM: program },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    const [main, ...workers] = JSON.parse(stdout) as { hasProducts: boolean; hash: string }[];
    expect(main.hasProducts).toBe(true);
    expect(workers).toEqual([main, main]);
  });
});
