import { describe, expect } from "vitest";
import { measuresDistance } from "./expert-metrics";
import { metricsLine, parseMetricsLine } from "./metrics";
import { openRun, type Run } from "./run";
import type { DenseWarmupConfig, RunConfigInput } from "./run-config";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

describe("how experts come to differ", () => {
  it("is measured in every step while they are new, and then in every tenth", () => {
    const steps = Array.from({ length: 40 }, (_, i) => i + 1).filter(measuresDistance);
    expect(steps).toEqual([...Array.from({ length: 16 }, (_, i) => i + 1), 20, 30, 40]);
  });

  it("is recorded by layer, from the first step of experts on", async ({ config, options, whole }) => {
    for (const { routerGradNorms, expertDistances } of whole.metrics) {
      expect([routerGradNorms?.length, expertDistances?.length]).toEqual([2, 2]);
      expect(Math.min(...routerGradNorms!, ...expertDistances!)).toBeGreaterThan(0);
    }
    const [step] = whole.metrics;
    expect(parseMetricsLine(metricsLine(step))).toEqual(step);
    // Drawn weights are nearly orthogonal.
    expect(step.expertDistances!.every((distance) => Math.abs(distance - 1) < 0.2)).toBe(true);
    // Routers are a part of all parameters.
    expect(Math.hypot(...step.routerGradNorms!)).toBeLessThan(step.gradNorm);
    const dense = await openRun({ ...config, model: { ...config.model, numExperts: 0 }, trainTokens: 16 }, options);
    await trainUntil(dense);
    expect(dense.metrics[0]).not.toHaveProperty("routerGradNorms");
  });

  it("at the copy of a dense warm-up: equal exactly, and routers without gradient, unless told apart", async ({
    config,
    options,
  }) => {
    const warmup = async (denseWarmup: Partial<DenseWarmupConfig>): Promise<Run> => {
      // Five experts: a mean of equal numbers is not always exact.
      const model = { ...config.model, numExperts: 5 };
      const input: RunConfigInput = { ...config, model, denseWarmup: { fraction: 0.25, ...denseWarmup } };
      const run = await openRun(input, options);
      await trainUntil(run);
      return run;
    };
    const [copied, noisy, redrawn] = [
      await warmup({}),
      await warmup({ noise: 0.1 }),
      await warmup({ reinitializedShare: 0.5 }),
    ];
    expect(copied.metrics.slice(0, 3).every((step) => !("expertDistances" in step))).toBe(true);
    const atCopy = (run: Run) => run.metrics[3];
    expect(atCopy(copied).expertDistances).toEqual([0, 0]);
    // The gradient by a softmax of equal scores is 0 but for rounding.
    const { gradNorm } = atCopy(copied);
    expect(Math.max(...atCopy(copied).routerGradNorms!)).toBeLessThan(1e-6 * gradNorm);
    for (const run of [noisy, redrawn]) {
      expect(Math.min(...atCopy(run).expertDistances!)).toBeGreaterThan(0.01);
      expect(Math.min(...atCopy(run).routerGradNorms!)).toBeGreaterThan(1e-4 * gradNorm);
    }
    // Segments are merged by different weights, so that equal experts get different gradients from the first step on.
    expect(Math.min(...copied.metrics[4].expertDistances!)).toBeGreaterThan(0);
  });
});
