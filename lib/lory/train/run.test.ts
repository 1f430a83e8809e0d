import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, vi } from "vitest";
import { EVENT_FILE } from "./event-log";
import { metricsLine } from "./metrics";
import type { RunConfigInput } from "./run-config";
import { openRun } from "./run";
import { stepsSeemToTake } from "./testing/clock";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a run", () => {
  it("goes from new to done, and says where it stands", async ({ config, options }) => {
    const run = await openRun(config, options);
    expect([run.status, run.metrics.length, run.summary]).toEqual(["new", 0, undefined]);
    await expect(fs.access(run.dir)).rejects.toThrow(/ENOENT/);
    const seen = await trainUntil(run);
    expect(seen.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(seen.map(({ tokens }) => tokens)).toEqual(Array.from({ length: 12 }, (_, i) => 16 * (i + 1)));
    expect([seen[0].tokensPerSecond, seen[11].secondsLeft]).toEqual([null, 0]);
    expect(seen[11].tokensPerSecond).toBeGreaterThan(0);
    expect(run.status).toBe("done");
    expect(run.metrics).toEqual(seen);
    expect(run.summary).toMatchObject({ id: run.id, steps: 12, tokens: 192 });
  });

  it("learns what follows what: its loss ends far below that of a guess", async ({ config, options }) => {
    const run = await openRun({ ...config, trainTokens: 80 * 16 }, options);
    await trainUntil(run);
    expect(run.metrics[0].lossNats).toBeGreaterThan(0.95 * Math.log(32));
    expect(run.summary?.lossNats).toBeLessThan(0.8 * Math.log(32));
  });

  it("leaves a directory that tells all of it", async ({ whole }) => {
    const { dir, id } = whole;
    expect(path.basename(dir)).toBe(id);
    expect(id).toMatch(/^tiny-[0-9a-f]{8}$/);
    expect((await fs.readdir(dir)).sort()).toEqual(
      ["checkpoints", "config.json", "env.json", EVENT_FILE, "metrics.jsonl", "summary.json"].sort(),
    );
    const read = async (name: string): Promise<unknown> => JSON.parse(await fs.readFile(path.join(dir, name), "utf8"));
    expect(await read("config.json")).toMatchObject({ name: "tiny", model: { hidden_size: 8 } });
    expect(await read("env.json")).toMatchObject({
      corpusHash: whole.corpus.hash,
      sessions: [{ startStep: 0, backend: tf.getBackend(), versions: { node: process.versions.node } }],
    });
    expect(await fs.readFile(path.join(dir, "metrics.jsonl"), "utf8")).toBe(whole.metrics.map(metricsLine).join(""));
  });

  it("that is done trains nothing when it is opened again, and yields what was recorded", async ({ config, whole }) => {
    const metricsFile = path.join(whole.dir, "metrics.jsonl");
    const before = await fs.stat(metricsFile);
    const again = await openRun(config, { runsDir: path.dirname(whole.dir) });
    expect(again.status).toBe("done");
    const tensors = tf.memory().numTensors;
    expect(await trainUntil(again)).toEqual(whole.metrics);
    expect(tf.memory().numTensors).toBe(tensors);
    expect((await fs.stat(metricsFile)).mtimeMs).toBe(before.mtimeMs);
    expect(again.summary).toEqual(whole.summary);
  });

  it("is another one when anything in its configuration differs", async ({ config, options, whole }) => {
    const optimizer = { ...config.optimizer, beta2: 0.96 };
    const changes: Partial<RunConfigInput>[] = [
      { seed: 4 },
      { precision: "bf16" },
      { batchSize: 1 },
      { name: "other" },
      { optimizer },
      { model: { ...config.model, numLayers: 1 } },
    ];
    const ids = await Promise.all(changes.map(async (change) => (await openRun({ ...config, ...change }, options)).id));
    expect(new Set([whole.id, ...ids]).size).toBe(changes.length + 1);
  });

  it("is refused for a vocabulary that the corpus goes beyond", async ({ config, options }) => {
    const model = { ...config.model, vocabSize: 31 };
    await expect(openRun({ ...config, model }, options)).rejects.toThrow(/vocabSize is 31, .* up to 31: set .* to 32/);
  });

  it("refuses options that it does not know", async ({ config }) => {
    const misspelt: object = { runDir: "x" };
    await expect(openRun(config, misspelt)).rejects.toThrow(/no key "runDir": did you mean "runsDir"/);
    const checkpointEvery: object = { hours: 1 };
    await expect(openRun(config, { checkpointEvery })).rejects.toThrow(/checkpointEvery has no key "hours"/);
  });

  it("leaves no tensor behind, and holds as many at every step", async ({ config, options }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(config, options);
    const held: number[] = [];
    stepsSeemToTake(10); // from the third on, one is queued behind the other
    for await (const { step } of run.train()) if (step > 2) held.push(tf.memory().numTensors);
    expect(new Set(held.slice(0, -1)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("has parameters only once it was trained", async ({ config, options }) => {
    await expect((await openRun(config, options)).params()).rejects.toThrow(/no parameters yet: train it first/);
  });

  it("whose records came without weights is done for those who need none", async ({ config, options, whole }) => {
    const run = await openRun(config, options);
    await fs.cp(whole.dir, run.dir, { recursive: true, filter: (file) => !file.includes("checkpoints") });
    const copied = await openRun(config, { ...options, weights: false });
    expect(copied.status).toBe("done");
    await expect(copied.params()).rejects.toThrow(/holds no weights/);
  });

  it("whose records came without weights is trained again by those who need them", async ({
    config,
    options,
    whole,
  }) => {
    const run = await openRun(config, options);
    await fs.cp(whole.dir, run.dir, { recursive: true, filter: (file) => !file.includes("checkpoints") });
    const copied = await openRun(config, options);
    expect(copied.status).not.toBe("done");
    const losses: number[] = [];
    for await (const { lossNats } of copied.train()) losses.push(lossNats);
    expect(losses).toEqual(whole.metrics.map(({ lossNats }) => lossNats));
    expect(copied.status).toBe("done");
    tf.dispose(await copied.params());
  });
});
