import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, vi } from "vitest";
import { checkpointName, checkpointSteps } from "./checkpoint-folders";
import { openRun } from "./run";
import { fillDisk } from "./testing/full-disk";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("what goes wrong", () => {
  it("a full disk stops the checkpoints alone, loudly; the next one is written once there is space", async ({
    config,
    options,
    whole,
  }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 2 }, keepCheckpoints: { last: 9 } });
    const warn = vi.spyOn(console, "warn");
    const saveFailed = new Promise<void>((resolve) => {
      warn.mockImplementation((text) => void (String(text).startsWith("No checkpoint of step") && resolve()));
    });
    let free = (): unknown => undefined;
    const failed: (number | undefined)[] = [];
    for await (const { step, failedSaves } of run.train()) {
      if (step === 4) free = await fillDisk(4096);
      if (step === 7) await saveFailed;
      if (step === 9) free();
      failed.push(failedSaves);
    }
    expect(failed.slice(0, 4)).toEqual(Array(4).fill(undefined));
    expect(failed[8]).toBeGreaterThan(0);
    const warnings = warn.mock.calls.map(([text]) => String(text));
    const noCheckpoint = /No checkpoint of step \d+: .* no space left on the disk: free some. Training goes on/;
    expect(warnings.some((text) => noCheckpoint.test(text))).toBe(true);
    expect(warnings.some((text) => /records could not be .* kept in memory/.test(text))).toBe(true);
    expect((await openRun(config, options)).metrics.length).toBe(12);
    await expectSame(run, whole);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("a disk that is still full at the end: the checkpoint before is kept, and the run can be ended once there is space", async ({
    config,
    options,
    whole,
  }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 4 } });
    await trainUntil(run, 4);
    const kept = await fs.readdir(path.join(run.dir, "checkpoints"));
    const free = await fillDisk(4096);
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await expect(trainUntil(run)).rejects.toThrow(
      /(checkpoint of step 12|records) .* no space left on the disk: free some. Then train again: the steps since are kept/,
    );
    free();
    expect(await fs.readdir(path.join(run.dir, "checkpoints"))).toEqual(kept);
    // A new object for the same run finds the steps that only memory has.
    const opened = await openRun(config, options);
    expect(opened.metrics.length).toBe(12);
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
    ["checkpoints/step-00000005/model.safetensors", /model.safetensors is damaged .* no checkpoint before it: delete/],
  ])("damage of %s is named, and nothing is held", async ([name, message], { config, options }) => {
    const run = await openRun(config, options);
    await trainUntil(run, 4);
    await fs.truncate(path.join(run.dir, name), 20);
    const tensors = tf.memory().numTensors;
    await expect(trainUntil(run)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(await fs.readdir(run.dir)).not.toContain("run.lock");
  });

  it("a damaged checkpoint is named, and the one before it taken", async ({ config, options, whole }) => {
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 3 } });
    await trainUntil(run, 6);
    await fs.truncate(
      path.join(run.dir, "checkpoints", checkpointName(run.metrics.length), "optimizer.safetensors"),
      200,
    );
    const [, before] = await checkpointSteps(path.join(run.dir, "checkpoints"));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const opened = await openRun(config, options);
    await trainUntil(opened);
    const expected = `optimizer.safetensors is damaged (its SHA-256 differs): training goes on from the checkpoint before it, of step ${before}`;
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(expected));
    await expectSame(opened, whole);
    expect((await fs.readdir(path.join(run.dir, "checkpoints"))).filter((name) => !name.startsWith("step-"))).toEqual(
      [],
    );
  });

  it("a done run whose last checkpoint is deleted is ended again from the one before", async ({
    config,
    options,
    whole,
  }) => {
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 5 } });
    await trainUntil(run);
    await fs.rm(path.join(run.dir, "checkpoints", checkpointName(12)), { recursive: true });
    const opened = await openRun(config, options);
    expect(opened.status).toBe("partial");
    await trainUntil(opened);
    await expectSame(opened, whole);
  });
});
