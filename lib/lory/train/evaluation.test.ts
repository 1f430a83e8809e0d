import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { perplexityByDomain } from "../eval";
import { evaluationLine, isEvaluationStep, parseEvaluationLine, readEvaluations } from "./evaluation";
import { openRun, type Run } from "./run";
import { runConfig, type RunConfigInput } from "./run-config";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

const evaluated = (config: RunConfigInput): RunConfigInput => ({
  ...config,
  evaluation: { everyTokens: 48, windows: 3 },
});

/** The mean over domains of the losses of a checkpoint's parameters. */
async function lossOf(run: Run, at: "best" | "last"): Promise<number> {
  const params = await run.params({ at });
  const domains = await perplexityByDomain(params, run.config.model, run.corpus, { maxWindows: 3, batchSize: 2 });
  tf.dispose(params);
  return domains.reduce((sum, { lossNats }) => sum + lossNats / domains.length, 0);
}

describe("a line", () => {
  const metrics = {
    step: 3,
    tokens: 48,
    lossNats: 1.5,
    domains: {
      "a/b": { lossNats: 1, firstSegmentLossNats: 2, restLossNats: null },
      c: { lossNats: 2, firstSegmentLossNats: 3, restLossNats: 1 / 3 },
    },
  };

  it("gives back the same numbers", () => {
    expect(parseEvaluationLine(evaluationLine(metrics))).toEqual(metrics);
    expect(JSON.parse(evaluationLine(metrics))).toMatchObject({ step: 3, "eval/CE loss": 1.5, "eval/c/CE loss": 2 });
  });

  it("holds a loss that is not a number", () => {
    expect(parseEvaluationLine(evaluationLine({ ...metrics, lossNats: NaN }))).toEqual({ ...metrics, lossNats: NaN });
  });

  it("is refused without a step, and out of order", async ({ laboratory }) => {
    expect(() => parseEvaluationLine('{"eval/CE loss": 1}')).toThrow('"step" is undefined');
    const file = path.join(laboratory.runsDir, "..", "evaluations.jsonl");
    await fs.writeFile(file, evaluationLine(metrics) + evaluationLine(metrics));
    await expect(readEvaluations(file)).rejects.toThrow(/line 2 is damaged/);
  });
});

it("is due after the first step that passes another so many tokens, and at the end", ({ config }) => {
  const due = (everyTokens: number): number[] => {
    const complete = runConfig({ ...config, evaluation: { everyTokens } });
    return Array.from({ length: 13 }, (_, step) => step).filter((step) => isEvaluationStep(complete, step));
  };
  expect([due(48), due(60), due(9999)]).toEqual([[3, 6, 9, 12], [4, 8, 12], [12]]);
  expect(isEvaluationStep(runConfig(config), 12)).toBe(false);
});

describe("a run that is evaluated", () => {
  it("records the losses of its model then, and trains the same numbers as without", async ({
    config,
    options,
    whole,
  }) => {
    const tensors = tf.memory().numTensors;
    const run = await openRun(evaluated(config), options);
    await trainUntil(run);
    expect(run.evaluations.map(({ step, tokens }) => [step, tokens])).toEqual([3, 6, 9, 12].map((s) => [s, 16 * s]));
    expect(run.evaluations[3].lossNats).toBe(await lossOf(run, "last"));
    expect(Object.keys(run.evaluations[0].domains)).toEqual(["rising", "falling"]);
    await expectSame(run, whole);
    expect((await openRun(evaluated(config), options)).evaluations).toEqual(run.evaluations);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("has the same evaluations when it was stopped: before one, after one, and with rows beyond its checkpoint", async ({
    config,
    options,
  }) => {
    const whole = await openRun(evaluated(config), { runsDir: path.join(options.runsDir!, "whole") });
    await trainUntil(whole);
    const run = await openRun(evaluated(config), options);
    for (const step of [3, 7]) await trainUntil(run, step);
    await fs.appendFile(path.join(run.dir, "evaluations.jsonl"), evaluationLine({ ...whole.evaluations[3], step: 11 }));
    const opened = await openRun(evaluated(config), options);
    await trainUntil(opened);
    expect(opened.evaluations).toEqual(whole.evaluations);
    await expectSame(opened, whole);
  });

  it("keeps the checkpoint of the lowest loss, however long ago", async ({ config, options }) => {
    const worsening = { ...evaluated(config), optimizer: { learningRate: 1, warmupFraction: 0, finalFraction: 1 } };
    const run = await openRun(worsening, { ...options, keepCheckpoints: { last: 1 } });
    await trainUntil(run);
    const losses = run.evaluations.map(({ lossNats }) => lossNats);
    const best = 3 * (losses.indexOf(Math.min(...losses)) + 1);
    expect(best).toBeLessThan(12);
    expect(await run.checkpoints()).toEqual([12, best]);
    expect(await lossOf(run, "best")).toBe(Math.min(...losses));
    await expect(run.params({ at: 5 })).rejects.toThrow(/no checkpoint of step 5: there are those of 12, \d+/);
  });

  it("evaluates the dense model while its warm-up lasts", async ({ config, options }) => {
    const run = await openRun({ ...evaluated(config), denseWarmup: { fraction: 0.5 } }, options);
    await trainUntil(run);
    expect(run.evaluations.map(({ step }) => step)).toEqual([3, 6, 9, 12]);
    expect(run.evaluations[3].lossNats).toBe(await lossOf(run, "last"));
  });

  it("is refused where a domain has less text than a window, by the domain's name", async ({ config, options }) => {
    const wide = {
      ...evaluated(config),
      model: { ...config.model, contextLength: 600 },
      trainTokens: 1200,
      batchSize: 1,
    };
    await expect(trainUntil(await openRun(wide, options))).rejects.toThrow(/domain rising .* a window needs 601/);
  });

  it("has a best checkpoint only if it is evaluated", async ({ whole }) => {
    await expect(whole.params({ at: "best" })).rejects.toThrow("was not evaluated");
  });
});
