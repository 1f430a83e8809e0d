import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const root = mkdtempSync(path.join(os.tmpdir(), "xla-cache-processes-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A notebook's worth of reads and a compiled function, with gradients; prints how many programs were compiled and what came out. */
const NOTEBOOK = `
  const tf = require("@tensorflow/tfjs-core");
  const { jit } = require("./index");
  tf.setBackend("xla").then(async () => {
    const w = tf.variable(tf.ones([8, 8]));
    const step = jit((x) => {
      const { value, grads } = tf.variableGrads(() => tf.mean(tf.square(tf.matMul(x, w))), [w]);
      w.assign(tf.sub(w, tf.mul(grads[w.name], 0.01)));
      return value;
    });
    const values = [];
    for (let i = 0; i < 3; i++) values.push((await step(tf.ones([4, 8])).data())[0]);
    values.push(tf.sum(w).dataSync()[0]);
    const { compileCount, programCount } = tf.backend().device;
    console.log(JSON.stringify({ compileCount, programCount, values }));
  });
`;

interface Outcome {
  readonly compileCount: number;
  readonly programCount: number;
  readonly values: number[];
}

function runNotebook(folder: string): Promise<Outcome> {
  const child = spawn(process.execPath, ["--require", "ts-node/register/transpile-only", "--eval", NOTEBOOK], {
    cwd: path.dirname(__dirname),
    env: { ...process.env, XLA_DEVICE: "cpu", XLA_CACHE_DIR: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout.on("data", (text: Buffer) => (output += text.toString()));
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Outcome);
      else reject(new Error(`the notebook ended with ${code}: ${output}`));
    });
  });
}

describe("processes that share compiled programs", () => {
  it("compile nothing the second time, and compute the same bits", async () => {
    const folder = path.join(root, "again");
    const first = await runNotebook(folder);
    const second = await runNotebook(folder);
    expect(first.compileCount).toBe(first.programCount);
    expect(first.compileCount).toBeGreaterThan(1);
    expect(second).toEqual({ ...first, compileCount: 0 });
  });

  it("may start at once", async () => {
    const folder = path.join(root, "together");
    const outcomes = await Promise.all([runNotebook(folder), runNotebook(folder), runNotebook(folder)]);
    for (const { values } of outcomes) expect(values).toEqual(outcomes[0].values);
    expect(readdirSync(folder).filter((name) => !name.endsWith(".xla"))).toEqual([]);
    expect((await runNotebook(folder)).compileCount).toBe(0);
  });
});
