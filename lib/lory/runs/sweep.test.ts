import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, vi } from "vitest";
import { openRun } from "../train";
import { it } from "../train/testing/run-test";
import { sweep, type SweepResult } from "./sweep";

let lines: string[] = [];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => void vi.restoreAllMocks());

const statuses = ({ runs }: SweepResult): string[] => runs.map(({ status }) => status);
const space = { segmentLength: [2, 4] };

describe("a sweep", () => {
  it("trains what is missing, and nothing when it is called again", async ({ config, options }) => {
    const tensors = tf.memory().numTensors;
    const first = await openRun({ ...config, model: { ...config.model, segmentLength: 2 } }, options);
    for await (const step of first.train()) void step;
    const trained = vi.spyOn(Object.getPrototypeOf(first) as typeof first, "train");
    const result = await sweep(space, { base: config, ...options });
    expect(statuses(result)).toEqual(["done", "done"]);
    expect(trained).toHaveBeenCalledTimes(1);
    expect(result.runs[0].run?.id).toBe(first.id);
    // Checked once: the same for both.
    expect(result.runs[0].run?.corpus).toBe(result.runs[1].run?.corpus);
    expect(result.text).toMatch(/seed +segmentLength +run +status/);
    await sweep(space, { base: config, ...options });
    expect(trained).toHaveBeenCalledTimes(1);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("goes on after a stop where it was, and says what is left", async ({ config, options }) => {
    const control = new AbortController();
    const base = { ...config, trainTokens: 192 };
    vi.mocked(console.log).mockImplementation((line: string) => {
      lines.push(line);
      if (line.startsWith("1 of 2")) control.abort();
    });
    const stopped = await sweep(space, { base, ...options, signal: control.signal });
    expect([stopped.stoppedBy, statuses(stopped)]).toEqual(["signal", ["partial", "new"]]);
    expect(lines[0]).toMatch(/^1 of 2: seed 3, segmentLength 2: 16 \/ 192 tokens, .*\(sweep: 0 of 2 done/);
    const result = await sweep(space, { base, ...options });
    expect([result.stoppedBy, statuses(result)]).toEqual([undefined, ["done", "done"]]);
    expect(lines.at(-1)).toMatch(/^2 of 2: .*\(sweep: 2 of 2 done\)$/);
  });

  it("lists what fails, and trains the rest", async ({ config, options }) => {
    const list = [{ segmentLength: 64 }, { vocabSize: 31 }, { learningRate: 1e20, warmupFraction: 0 }, {}];
    const result = await sweep(list, { base: config, ...options });
    expect(statuses(result)).toEqual(["failed", "failed", "failed", "done"]);
    expect(result.runs.map(({ error }) => error)).toEqual([
      expect.stringContaining("cannot be longer than the context"),
      expect.stringContaining("vocabSize is 31"),
      expect.stringContaining("diverged at step"),
      undefined,
    ]);
    expect(lines.some((line) => /^3 of 4: .*failed: training diverged/.test(line))).toBe(true);
  });

  it("begins no run beyond its budget of tokens", async ({ config, options }) => {
    const base = { ...config, trainTokens: 32 };
    const seeds = [0, 1, 2];
    const result = await sweep([{}], { base, seeds, ...options, budget: { tokens: 80 } });
    expect([result.stoppedBy, statuses(result)]).toEqual(["tokens", ["done", "done", "new"]]);
    expect(await fs.readdir(path.resolve(options.runsDir!))).toHaveLength(2);
  });

  it("stops the run at work with a checkpoint when its time is over", async ({ config, options }) => {
    const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
    const result = await sweep([{}], { base: config, ...options, budget: { minutes: 5 } });
    expect(timeout).toHaveBeenCalledWith(300_000);
    expect([result.stoppedBy, statuses(result)]).toEqual(["minutes", ["new"]]);
  });

  it("refuses what it does not know", async ({ config }) => {
    await expect(sweep(space, { base: config, budget: { minutes: 0 } })).rejects.toThrow(/minutes is 0 .* above 0/);
    const misspelt = { base: config, seed: [1] };
    await expect(sweep(space, misspelt)).rejects.toThrow(/no key "seed": did you mean "seeds"/);
  });
});
