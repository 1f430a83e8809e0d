import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it as plainIt } from "vitest";
import { trainBatches } from "../data";
import { describeNpy } from "../data/npy";
import { readSafetensors, writeSafetensors } from "../models/safetensors";
import { latestCheckpoint } from "./checkpoint-folders";
import { DivergedError } from "./diverged-error";
import { firstNotFinite, type FirstNotFinite } from "./divergence";
import type { Finiteness, StepInspection } from "./inspect-step";
import { openRun, type Run } from "./run";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

/** Multiplies a parameter in the last checkpoint, whose hash is put right. */
async function spoil(run: Run, parameter: string, factor: number): Promise<void> {
  const folder = (await latestCheckpoint(path.join(run.dir, "checkpoints")))!;
  const file = path.join(folder, "model.safetensors");
  const { tensors } = await readSafetensors(file);
  const changed = tensors.map(({ name, tensor }) => ({
    name,
    tensor: name === parameter ? tf.mul(tensor, factor) : tensor,
  }));
  await fs.rm(file);
  const { sha256 } = await writeSafetensors(file, changed);
  tf.dispose([tensors, changed].flatMap((list) => list.map(({ tensor }) => tensor)));
  const sums = path.join(folder, "SHA256SUMS");
  const text = await fs.readFile(sums, "utf8");
  await fs.writeFile(sums, text.replace(/^[0-9a-f]{64} {2}model/m, `${sha256}  model`));
  expect(
    createHash("sha256")
      .update(await fs.readFile(file))
      .digest("hex"),
  ).toBe(sha256);
}

describe("a training that diverges", () => {
  it.for<[string, string, number, FirstNotFinite]>([
    ["activations", "layers.1.qkv_DQ", 1e30, { what: "activations", name: "layers.1", layer: 1 }],
    ["parameters", "layers.0.out_DD", Infinity, { what: "parameters", name: "layers.0.out_DD", layer: 0 }],
    ["the loss", "head_DV", 3e38, { what: "loss", name: null, layer: null }],
  ])(
    "by %s names the step and the layer, and keeps the batch",
    async ([, parameter, factor, first], { config, options }) => {
      const tensors = tf.memory().numTensors;
      const run = await openRun(config, options);
      await trainUntil(run, 4);
      const step = run.metrics.length + 1;
      await spoil(run, parameter, factor);
      const error = await trainUntil(run).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DivergedError);
      expect((error as DivergedError).at.step).toBe(step);
      expect(run.divergence).toMatchObject({ step, replayedFrom: step - 1, isReplayExact: true, first });
      expect(tf.memory().numTensors).toBe(tensors);

      const npy = await fs.readFile(path.join(run.dir, run.divergence!.batch));
      const { shape, elements, dataOffset } = describeNpy(npy, (why) => {
        throw new Error(why);
      });
      const { batchSize, seed, model } = run.config;
      const { contextLength } = model;
      const own = trainBatches(run.corpus, { batchSize, seed, contextLength, startStep: step - 1 }).next().value;
      expect([shape, elements]).toEqual([[batchSize, contextLength + 1], "<i4"]);
      expect(npy.subarray(dataOffset)).toEqual(Buffer.from(own.tokens_BM.buffer));
    },
  );

  it("is looked at after the steps since the last checkpoint were trained again, and can be forked from there", async ({
    config,
    options,
    whole,
  }) => {
    // The schedule reaches what is too much in its fifth step.
    const rising = { ...config, optimizer: { learningRate: 1e18, warmupFraction: 0.9 } };
    const run = await openRun(rising, { ...options, checkpointEvery: { steps: 99, minutes: 99 } });
    const error = (await trainUntil(run).catch((thrown: unknown) => thrown)) as DivergedError;
    expect(error.message).toMatch(/diverged at step \d+: .* the first numbers that are not finite are .*fork the run/);
    const { step, first, isReplayExact, replayedFrom } = run.divergence!;
    expect([isReplayExact, replayedFrom]).toEqual([true, 0]);
    expect(step).toBe(run.metrics.length + 1);
    expect(first).not.toBeNull();
    // It is not trained again, by this object or another.
    await expect(trainUntil(await openRun(rising, options))).rejects.toThrow(error.message);
    expect(whole.divergence).toBeUndefined();
  });

  it("is forked with another learning rate from before it diverged", async ({ config, options, whole }) => {
    const run = await openRun(config, options);
    await trainUntil(run, 4);
    const kept = run.metrics.length;
    await fs.cp(path.join(run.dir, "checkpoints"), path.join(run.dir, "kept"), { recursive: true });
    await spoil(run, "head_DV", 3e38);
    await expect(trainUntil(run)).rejects.toThrow(DivergedError);
    await fs.rm(path.join(run.dir, "checkpoints"), { recursive: true });
    await fs.rename(path.join(run.dir, "kept"), path.join(run.dir, "checkpoints"));
    const lower = { ...config, optimizer: { learningRate: 1e-3 } };
    const fork = await openRun(lower, { ...options, fork: run.id });
    await trainUntil(fork);
    expect(fork.status).toBe("done");
    expect(numbersOf(fork.metrics.slice(0, kept))).toEqual(numbersOf(whole.metrics.slice(0, kept)));
  });
});

describe("what comes first", () => {
  const list = (notFinite: Record<string, number>, largest: Record<string, number> = {}): Finiteness[] =>
    ["embed_VD", "layers.0.a", "layers.1.a", "head_DV"].map((name) => ({
      name,
      notFinite: notFinite[name] ?? 0,
      largest: largest[name] ?? 1,
    }));
  const step = (changes: Partial<StepInspection>): StepInspection => ({
    ...{ lossNats: 1, gradNorm: NaN, parameters: list({}), activations: list({}), gradients: list({}) },
    ...changes,
  });

  plainIt("is the last layer of those whose gradients are not finite", () => {
    const gradients = list({ embed_VD: 1, "layers.0.a": 2 });
    expect(firstNotFinite(step({ gradients }))).toEqual({ what: "gradients", name: "layers.0.a", layer: 0 });
  });

  plainIt("is the norm, with the largest gradient, where each of them is finite", () => {
    const gradients = list({}, { "layers.1.a": 1e30 });
    expect(firstNotFinite(step({ gradients }))).toEqual({ what: "gradient norm", name: "layers.1.a", layer: 1 });
  });

  plainIt("is nothing where all is finite", () => {
    expect(firstNotFinite(step({ gradNorm: 1 }))).toBeNull();
  });
});
