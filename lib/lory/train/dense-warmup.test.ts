import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { describe, expect } from "vitest";
import { initParams, paramsToList, type ModelConfig, type Params } from "../models";
import { ROUTING_MODES } from "../moe";
import { openRun, type Run } from "./run";
import type { RunConfigInput } from "./run-config";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

/** Five of the twelve steps train the dense model. */
const WARMUP = { fraction: 0.4 } as const;
const STEPS = 5;

async function trained(config: RunConfigInput, runsDir: string | undefined, until = Infinity): Promise<Run> {
  const run = await openRun(config, { runsDir });
  await trainUntil(run, until);
  return run;
}

const byName = (params: Params): Map<string, tf.Tensor> =>
  new Map(paramsToList(params).map(({ name, tensor }) => [name, tensor]));

describe("a dense warm-up", () => {
  it("trains what a run of the dense model does, and then the model with experts, under one schedule", async ({
    config,
    options,
    whole,
  }) => {
    const run = await trained({ ...config, denseWarmup: WARMUP }, options.runsDir);
    const dense = await trained({ ...config, model: { ...config.model, numExperts: 0 } }, options.runsDir);
    expect(numbersOf(run.metrics.slice(0, STEPS))).toEqual(numbersOf(dense.metrics.slice(0, STEPS)));
    expect(run.metrics.map(({ denseWarmup }) => denseWarmup)).toEqual(
      Array.from({ length: 12 }, (_, i) => (i < STEPS ? 1 : 0)),
    );
    // At the copy every expert is the dense FFN, so that the next loss is still that of the dense model.
    expect(run.metrics[STEPS].lossNats).toBeCloseTo(dense.metrics[STEPS].lossNats, 5);
    expect(run.metrics[STEPS].gradNorm).not.toBeCloseTo(dense.metrics[STEPS].gradNorm, 4);
    expect(run.metrics.map(({ learningRate }) => learningRate)).toEqual(
      whole.metrics.map(({ learningRate }) => learningRate),
    );
    const params = await run.params();
    expect(byName(params).get("layers.0.ffn.gateUp_EDG")!.shape).toEqual([2, 8, 16]);
    tf.dispose(params);
  });

  it("says nothing of itself in runs without one", ({ whole }) => {
    expect(whole.config.denseWarmup).toBeNull();
    expect(whole.metrics[0]).not.toHaveProperty("denseWarmup");
  });

  it.for([
    { at: 3, what: "before the copy" },
    { at: STEPS, what: "at the copy" },
    { at: STEPS + 1, what: "behind the copy" },
  ])("goes on bit for bit where it was stopped $what", async ({ at }, { config, options }) => {
    const input: RunConfigInput = {
      ...config,
      emaDecay: 0.9,
      denseWarmup: { ...WARMUP, optimizerState: "kept", noise: 0.1, reinitializedShare: 0.25 },
    };
    const unbroken = await trained(input, path.join(options.runsDir!, "unbroken"));
    // Checkpoints of every step: a stop saves what the device has begun, and each of these is a place to go on from.
    const stopped = await openRun(input, { ...options, checkpointEvery: { steps: 1 } });
    for await (const { step } of stopped.train()) if (step === at) break;
    const resumed = await trained(input, options.runsDir);
    await expectSame(resumed, unbroken);
    const [a, b] = await Promise.all([resumed, unbroken].map((run) => run.params({ ema: true })));
    const others = byName(b);
    for (const [name, tensor] of byName(a)) expectClose(tensor, others.get(name)!, EXACT);
    tf.dispose([a, b]);
  });

  it("gives the dense model's parameters as long as it lasts", async ({ config, options }) => {
    const stopped = await trained({ ...config, denseWarmup: WARMUP }, options.runsDir, 2);
    const params = await stopped.params();
    expect([...byName(params).keys()]).toContain("layers.1.ffn.gateUp_DG");
    tf.dispose(params);
  });

  it("leaves no tensor behind", async ({ config, options }) => {
    const before = tf.memory().numTensors;
    await trained({ ...config, denseWarmup: { ...WARMUP, optimizerState: "kept" }, emaDecay: 0.5 }, options.runsDir);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("keeps the optimizer's running means where it is asked to", async ({ config, options }) => {
    const [fresh, kept] = await Promise.all(
      (["fresh", "kept"] as const).map((optimizerState) =>
        trained({ ...config, denseWarmup: { ...WARMUP, optimizerState } }, options.runsDir),
      ),
    );
    const losses = ({ metrics }: Run): number[] => metrics.map(({ lossNats }) => lossNats);
    expect(losses(kept).slice(0, STEPS + 1)).toEqual(losses(fresh).slice(0, STEPS + 1));
    expect(losses(kept)[STEPS + 1]).not.toBe(losses(fresh)[STEPS + 1]);
  });

  it.for(ROUTING_MODES)("works in the routing mode %s", async (routingMode, { config, options }) => {
    const tested = tf.getBackend();
    await tf.setBackend("cpu"); // where nothing has to be compiled
    const extra: Partial<ModelConfig> =
      routingMode === "segment_and_token"
        ? { numExpertsPerTok: 1, normTopkProb: false }
        : routingMode === "document_pool"
          ? { expertPoolSize: 2, numExpertsPerTok: 1 }
          : {};
    const model = { ...config.model, routingMode, ...extra };
    try {
      const run = await trained({ ...config, trainTokens: 64, model, denseWarmup: { fraction: 0.5 } }, options.runsDir);
      expect(run.status).toBe("done");
      expect(run.metrics.map(({ lossNats }) => Number.isFinite(lossNats))).toEqual([true, true, true, true]);
      const params = await run.params();
      expect(paramsToList(params).map(({ name }) => name)).toEqual(
        paramsToList(initParams(run.config.model, 0)).map(({ name }) => name),
      );
    } finally {
      await tf.setBackend(tested);
    }
  });
});
