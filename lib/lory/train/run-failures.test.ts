import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { openRun } from "./run";
import { fillDisk } from "./testing/full-disk";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

describe("what goes wrong", () => {
  it("a full disk: the checkpoint before is kept, training goes on from memory once there is space", async ({
    config,
    options,
    whole,
  }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 4 } });
    await trainUntil(run, 4);
    const kept = await fs.readdir(path.join(run.dir, "checkpoints"));
    const free = await fillDisk(4096);
    const seen: number[] = [];
    await expect(async () => {
      for await (const { step } of run.train()) seen.push(step);
    }).rejects.toThrow(/checkpoint of step \d+ .* no space left on the disk: free some/);
    free();
    expect(await fs.readdir(path.join(run.dir, "checkpoints"))).toEqual(kept);
    // A new object for the same run finds the steps that only memory has.
    const opened = await openRun(config, options);
    expect(opened.metrics.length).toBe(seen.at(-1));
    await trainUntil(opened);
    await expectSame(opened, whole);
    expect((await fs.readdir(run.dir)).sort()).toEqual((await fs.readdir(whole.dir)).sort());
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("a full disk from the start leaves nothing half-written", async ({ config, options }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(config, options);
    const free = await fillDisk(0);
    await expect(trainUntil(run)).rejects.toThrow(/ENOSPC|no space/);
    free();
    expect(await fs.readdir(run.dir)).toEqual([]);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("two trainings of one run at a time: the second is refused", async ({ config, options, whole }) => {
    const run = await openRun(config, options);
    const first = run.train();
    await first.next();
    await expect(trainUntil(await openRun(config, options))).rejects.toThrow(/being trained in this process already/);
    await first.return();
    await trainUntil(run);
    await expectSame(run, whole);
  });

  it("a loss that is not a number stops with the step, keeps the checkpoint before, and frees the device", async ({
    config,
    options,
  }) => {
    const diverging = { ...config, optimizer: { ...config.optimizer, learningRate: 1e20, warmupFraction: 0 } };
    const tensors = tf.memory().numTensors;
    const run = await openRun(diverging, { ...options, checkpointEvery: { steps: 1 } });
    await expect(trainUntil(run)).rejects.toThrow(/diverged at step \d+: the loss is .* A lower learningRate/);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(run.metrics.every(({ lossNats }) => Number.isFinite(lossNats))).toBe(true);
    expect((await openRun(diverging, options)).status).toBe("partial");
  });

  it.for<[string, RegExp]>([
    ["metrics.jsonl", /metrics.jsonl ends at step 0, the checkpoint is of step 5/],
    ["env.json", /env.json is damaged/],
    ["checkpoints/step-00000005/model.safetensors", /model.safetensors is damaged/],
  ])("damage of %s is named, and nothing is held", async ([name, message], { config, options }) => {
    const run = await openRun(config, options);
    await trainUntil(run, 4);
    await fs.truncate(path.join(run.dir, name), 20);
    const tensors = tf.memory().numTensors;
    await expect(trainUntil(run)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(await fs.readdir(run.dir)).not.toContain("run.lock");
  });
});
