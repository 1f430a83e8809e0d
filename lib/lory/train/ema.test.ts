import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterEach, describe, expect, vi } from "vitest";
import { paramsToList } from "../models";
import { emaRate } from "./ema";
import { openRun } from "./run";
import { stepsSeemToTake } from "./testing/clock";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the running mean of the weights", () => {
  it("weighs each step decay times as much as the one after it, and its weights sum to 1", () => {
    for (const decay of [0.5, 0.9, 0.999]) {
      let shares: number[] = [];
      for (let t = 1; t <= 40; t++) {
        const rate = emaRate(t, decay);
        shares = [...shares.map((share) => share * (1 - rate)), rate];
      }
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      shares.slice(1).forEach((share, i) => expect(shares[i] / share).toBeCloseTo(decay, 9));
    }
    expect(emaRate(1, 0.99)).toBe(1);
  });

  it("is that of the parameters after every step, in float64", async ({ config, options }) => {
    const decay = 0.8;
    const input = { ...config, emaDecay: decay, trainTokens: 5 * 16 };
    const run = await openRun(input, options);
    const means = new Map<string, number[]>();
    stepsSeemToTake(2000);
    for (let step = 1; step <= 5; step++) {
      expect(await trainUntil(run, step)).toHaveLength(step);
      const params = await run.params();
      for (const { name, tensor } of paramsToList(params)) {
        const before = means.get(name) ?? [];
        const rate = (1 - decay) / (1 - decay ** step);
        means.set(
          name,
          Array.from(tensor.dataSync(), (value, i) => (before[i] ?? 0) * (1 - rate) + value * rate),
        );
      }
      tf.dispose(params);
    }
    const mean = await run.params({ ema: true });
    for (const { name, tensor } of paramsToList(mean)) {
      expectClose(tf.reshape(tensor, [-1]), means.get(name)!, { rtol: 1e-5, atol: 1e-7 });
    }
    tf.dispose(mean);
  });

  it("is refused where none is kept, and changes nothing of the training", async ({ config, options, whole }) => {
    await expect(whole.params({ ema: true })).rejects.toThrow(/keeps no running mean .* set emaDecay/);
    const run = await openRun({ ...config, emaDecay: 0.9 }, options);
    await trainUntil(run);
    expect(run.metrics.map(({ lossNats }) => lossNats)).toEqual(whole.metrics.map(({ lossNats }) => lossNats));
  });
});
