import fs from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { useTestBackend } from "../testing";
import { metricsLine } from "./metrics";
import { openRun, type OpenRunOptions, type Run } from "./run";
import type { RunConfigInput } from "./run-config";
import { expectSame, weights } from "./testing/same-run";
import { numbersOf, tinyLaboratory, trainUntil, type TinyLaboratory } from "./testing/tiny-run";

let laboratory: TinyLaboratory;
let config: RunConfigInput;
let options: OpenRunOptions;
/** Twelve steps without a stop, for comparison. */
let whole: Run;

beforeAll(async () => {
  await useTestBackend();
  laboratory = await tinyLaboratory();
  config = laboratory.config;
  options = { runsDir: path.join(laboratory.runsDir, "whole") };
  whole = await openRun(config, options);
  await trainUntil(whole);
});
let count = 0;
beforeEach(() => {
  options = { runsDir: path.join(laboratory.runsDir, String(count++)) };
});
afterAll(() => laboratory.remove());

describe("a training that was stopped and gone on with equals one that never was, bit for bit", () => {
  it.each([1, 5, 11])("by the signal at step %d", async (step) => {
    const run = await openRun(config, options);
    const first = await trainUntil(run, step);
    // The step in flight when the signal came is finished, and nothing after it begun.
    expect(first.length).toBe(Math.min(step + 1, 12));
    const opened = await openRun(config, options);
    expect([opened.status, opened.metrics.length]).toEqual([first.length < 12 ? "partial" : "done", first.length]);
    await weights(opened);
    expect(numbersOf(await trainUntil(opened))).toEqual(numbersOf(whole.metrics));
    await expectSame(opened, whole);
  });

  it("by leaving the loop", async () => {
    const run = await openRun(config, options);
    for await (const { step } of run.train()) if (step === 4) break;
    expect(run.metrics.length).toBe(5);
    await trainUntil(run);
    await expectSame(run, whole);
  });

  it("before its first step", async () => {
    const run = await openRun(config, options);
    expect(await trainUntil(run, 0)).toHaveLength(12);
    const stopped = await openRun({ ...config, seed: 9 }, options);
    expect((await stopped.train({ signal: AbortSignal.abort() }).next()).done).toBe(true);
    expect(stopped.status).toBe("new");
  });

  it("again and again, with checkpoints in between", async () => {
    for (const step of [2, 3, 7, 9])
      await trainUntil(await openRun(config, { ...options, checkpointEvery: { steps: 3 } }), step);
    const run = await openRun(config, options);
    await trainUntil(run);
    await expectSame(run, whole);
  });

  it("by a kill that left metrics beyond the checkpoint, a torn line, and half a checkpoint", async () => {
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

  it("by a kill before the first checkpoint", async () => {
    const run = await openRun(config, options);
    await fs.mkdir(run.dir, { recursive: true });
    await fs.writeFile(path.join(run.dir, "metrics.jsonl"), metricsLine({ ...whole.metrics[0], lossNats: 99 }));
    await trainUntil(run);
    await expectSame(run, whole);
  });
});
