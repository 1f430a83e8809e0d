import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect } from "vitest";
import { openRun } from "./run";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

describe("a fork", () => {
  it("with nothing changed trains the numbers of its parent, and says where it began", async ({
    config,
    options,
    whole,
  }) => {
    const evaluated = { ...config, evaluation: { everyTokens: 48, windows: 2 } };
    const parent = await openRun(evaluated, { ...options, checkpointEvery: { steps: 1 } });
    await trainUntil(parent);
    const [, step] = await parent.checkpoints();
    const fork = await openRun(evaluated, { ...options, fork: { run: parent.id, at: step } });
    expect([fork.status, fork.id === parent.id]).toEqual(["new", false]);
    const seen = await trainUntil(fork);
    expect(numbersOf(seen)).toEqual(numbersOf(whole.metrics));
    expect(fork.evaluations).toEqual(parent.evaluations);
    await expectSame(fork, whole);
    const record = JSON.parse(await fs.readFile(path.join(fork.dir, "env.json"), "utf8")) as { hash: string };
    expect(record).toMatchObject({ parent: { id: parent.id, step }, sessions: [{ startStep: step }] });
    expect(fork.parent).toMatchObject({ id: parent.id, step });
  });

  it("goes on with another learning rate, corpus order and budget, and is found again", async ({
    config,
    options,
    whole,
  }) => {
    const parent = await openRun(config, options);
    await trainUntil(parent, 5);
    const step = parent.metrics.length;
    const changed = { ...config, seed: 4, trainTokens: 16 * 16, optimizer: { learningRate: 1e-3 } };
    const fork = await openRun(changed, { ...options, fork: parent.dir });
    await trainUntil(fork, step + 2);
    const again = await openRun(changed, { ...options, fork: { run: parent.id, at: step } });
    expect([again.id, again.status]).toEqual([fork.id, "partial"]);
    await trainUntil(again);
    expect(again.metrics.length).toBe(16);
    expect(numbersOf(again.metrics.slice(0, step))).toEqual(numbersOf(whole.metrics.slice(0, step)));
    expect(again.metrics[step].learningRate).toBeLessThan(1e-3);
    expect(again.metrics[step].lossNats).not.toBe(whole.metrics[step].lossNats);
  });

  it("needs a checkpoint, the same model and batches, and steps that are left", async ({ config, options, whole }) => {
    const runsDir = path.dirname(whole.dir);
    const fork = (change: object, at: number | "best" = 12) =>
      openRun({ ...config, trainTokens: 999, ...change }, { runsDir, fork: { run: whole.id, at } });
    await expect(fork({}, 5)).rejects.toThrow(/no checkpoint to fork \(5\): there are those of steps 12/);
    await expect(fork({}, "best")).rejects.toThrow(/no checkpoint to fork \(best\)/);
    await expect(fork({ batchSize: 1 })).rejects.toThrow("batch_size is 2 in run");
    await expect(fork({ model: { ...config.model, dFfn: 16 } })).rejects.toThrow("model.intermediate_size is 8 in run");
    await expect(fork({ trainTokens: 192 })).rejects.toThrow(/train_tokens is 192: that is 12 steps/);
    await expect(fork({ emaDecay: 0.9 })).rejects.toThrow("ema_decay is 0.9");
    await expect(openRun(config, { ...options, fork: "nothing" })).rejects.toThrow("holds no run");
  });
});

describe("a run that is to be gone on with", () => {
  it("is refused by each key that differs, and found when none does", async ({ config, options, whole }) => {
    const run = await openRun(config, options);
    await trainUntil(run, 4);
    const change = { ...config, seed: 9, optimizer: { ...config.optimizer, beta2: 0.9 } };
    await expect(openRun(change, { ...options, resume: run.id })).rejects.toThrow(
      /seed is 3 in run tiny-\w+ and 9 here; optimizer.adam_beta2 is 0.95 in .* and 0.9 here. .* fork it/,
    );
    const found = await openRun(config, { ...options, resume: run.dir });
    expect([found.id, found.status]).toEqual([run.id, "partial"]);
    await trainUntil(found);
    await expectSame(found, whole);
  });

  it("is refused when the corpus or the code is another one", async ({ config, options }) => {
    const run = await openRun(config, options);
    await trainUntil(run, 1);
    const file = path.join(run.dir, "env.json");
    const record = JSON.parse(await fs.readFile(file, "utf8")) as object;
    await fs.writeFile(file, JSON.stringify({ ...record, codeHash: "0", corpusHash: "0" }));
    await expect(openRun(config, { ...options, resume: run.id })).rejects.toThrow(
      /the corpus has other content .*; the library's code is not that/,
    );
  });

  it("cannot be a fork at the same time", async ({ config, options }) => {
    await expect(openRun(config, { ...options, fork: "a", resume: "a" })).rejects.toThrow("both fork and resume");
  });
});
