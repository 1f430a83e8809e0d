import fs from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, vi } from "vitest";
import { metricsLine } from "./metrics";
import { openRun } from "./run";
import { stepsSeemToTake } from "./testing/clock";
import { expectSame, weights } from "./testing/same-run";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a training that was stopped and gone on with equals one that never was, bit for bit", () => {
  it.for([
    { at: 1, stepMs: 2000, ended: 1 },
    { at: 5, stepMs: 2000, ended: 5 },
    { at: 5, stepMs: 10, ended: 6 }, // the step in flight when the signal came is finished, and nothing after it begun
    { at: 11, stepMs: 10, ended: 12 },
  ])(
    "by the signal at step $at where steps take $stepMs ms",
    async ({ at, stepMs, ended }, { config, options, whole }) => {
      stepsSeemToTake(stepMs);
      const run = await openRun(config, options);
      const first = await trainUntil(run, at);
      expect(first.length).toBe(ended);
      const opened = await openRun(config, options);
      expect([opened.status, opened.metrics.length]).toEqual([first.length < 12 ? "partial" : "done", first.length]);
      await weights(opened);
      expect(numbersOf(await trainUntil(opened))).toEqual(numbersOf(whole.metrics));
      await expectSame(opened, whole);
    },
  );

  it("by leaving the loop", async ({ config, options, whole }) => {
    stepsSeemToTake(10);
    const run = await openRun(config, options);
    for await (const { step } of run.train()) if (step === 4) break;
    expect(run.metrics.length).toBe(5);
    await trainUntil(run);
    await expectSame(run, whole);
  });

  it("before its first step", async ({ config, options }) => {
    const run = await openRun(config, options);
    expect(await trainUntil(run, 0)).toHaveLength(12);
    const stopped = await openRun({ ...config, seed: 9 }, options);
    expect((await stopped.train({ signal: AbortSignal.abort() }).next()).done).toBe(true);
    expect(stopped.status).toBe("new");
  });

  it("again and again, with checkpoints in between", async ({ config, options, whole }) => {
    for (const step of [2, 3, 7, 9])
      await trainUntil(await openRun(config, { ...options, checkpointEvery: { steps: 3 } }), step);
    const run = await openRun(config, options);
    await trainUntil(run);
    await expectSame(run, whole);
  });

  it("by a kill that left metrics beyond the checkpoint, a torn line, and half a checkpoint", async ({
    config,
    options,
    whole,
  }) => {
    stepsSeemToTake(10);
    const run = await openRun(config, options);
    await trainUntil(run, 4);
    const file = path.join(run.dir, "metrics.jsonl");
    await fs.appendFile(file, metricsLine({ ...run.metrics[4], step: 6, lossNats: 99 }));
    await fs.appendFile(file, '{"step":7,"throu');
    await fs.mkdir(path.join(run.dir, "checkpoints", "writing-step-00000007-1"));
    const opened = await openRun(config, options);
    expect(opened.metrics.length).toBe(6);
    await trainUntil(opened);
    await expectSame(opened, whole);
  });

  it("by a kill before the first checkpoint", async ({ config, options, whole }) => {
    const run = await openRun(config, options);
    await fs.mkdir(run.dir, { recursive: true });
    await fs.writeFile(path.join(run.dir, "metrics.jsonl"), metricsLine({ ...whole.metrics[0], lossNats: 99 }));
    await trainUntil(run);
    await expectSame(run, whole);
  });
});
