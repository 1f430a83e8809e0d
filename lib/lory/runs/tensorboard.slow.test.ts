import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect } from "vitest";
import { transformersPython } from "../models/hugging-face/transformers/transformers-process";
import { LineProcess } from "../testing/line-process";
import { METRICS, openRun } from "../train";
import { checkpointName } from "../train/checkpoint-folders";
import { readEvents } from "../train/event-file";
import { EVENT_FILE } from "../train/event-log";
import { it } from "../train/testing/run-test";
import { trainUntil } from "../train/testing/tiny-run";

describe.skipIf(!existsSync(transformersPython()))("TensorBoard", () => {
  it("reads every number that a run has recorded, under its name, each step once however often it stopped and went back", async ({
    config,
    options,
    whole,
  }) => {
    const run = await openRun(config, { ...options, checkpointEvery: { steps: 3 }, keepCheckpoints: { last: 9 } });
    await trainUntil(run, 7);
    const reached = run.metrics.length;
    const steps = await run.checkpoints();
    // As after a kill: later checkpoints were never written, and the last record is torn.
    for (const step of steps.slice(0, -1)) {
      await fs.rm(path.join(run.dir, "checkpoints", checkpointName(step)), { recursive: true });
    }
    const file = path.join(run.dir, EVENT_FILE);
    await fs.truncate(file, (await fs.stat(file)).size - 5);
    const before = await fs.readFile(file);
    await trainUntil(run);
    const { events, sizeBytes } = readEvents(before);
    expect((await fs.readFile(file)).subarray(0, sizeBytes).equals(before.subarray(0, sizeBytes))).toBe(true);
    expect(Math.max(...events.map(({ step }) => step))).toBe(reached - 1);
    expect(steps.at(-1)).toBeLessThan(reached - 1);

    const python = new LineProcess(transformersPython(), [path.join(__dirname, "read_events.py")], {});
    try {
      const read = await python.ask<Record<string, [number, number][]>>({ folder: run.dir });
      const expected = (value: (step: (typeof whole.metrics)[number]) => number | null | undefined) =>
        whole.metrics.flatMap((step) => {
          const number = value(step);
          return typeof number === "number" ? [[step.step, Math.fround(number)]] : [];
        });
      const rounded = (name: string) => read[name].map(([step, value]) => [step, Math.fround(value)]);
      for (const field of ["lossNats", "gradNorm", "learningRate", "utilization"] as const) {
        expect(rounded(METRICS[field].name)).toEqual(expected((step) => step[field]));
      }
      const ofLayer = `${METRICS.meanEntropyNats.name}/01`;
      expect(rounded(ofLayer)).toEqual(expected(({ meanEntropyNats }) => meanEntropyNats?.[1]));
    } finally {
      await python.end();
    }
  });
});
