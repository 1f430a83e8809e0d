import { describe, expect, it } from "vitest";
import { runConfig } from "../train";
import { arm, finalUtilization, updatesUntilDistance, type ComparedRun, type ComparedStep } from "./arms";
import { symmetryFindings, warmupFindings, warmupTable } from "./warmup-findings";

const STEPS = 20;
const WARMUP = 5;

/** A run of 20 steps, 5 of them dense: its loss is `loss` throughout, its experts go apart by `speed` an update. */
function run(seed: number, loss: number, speed: number, start = 0): ComparedRun {
  const config = runConfig({
    name: "a",
    model: { contextLength: 8, segmentLength: 4, numExperts: 2 },
    batchSize: 1,
    trainTokens: 8 * STEPS,
    seed,
    denseWarmup: { fraction: WARMUP / STEPS },
    optimizer: { learningRate: 1e-3 },
  });
  const metrics = Array.from({ length: STEPS }, (_, i): ComparedStep => {
    const distance = start + speed * (i - WARMUP);
    const ofExperts =
      i < WARMUP
        ? {}
        : { utilization: 0.5, expertDistances: [distance, 3 * distance], routerGradNorms: [3 * seed, 4 * seed] };
    return {
      ...{ step: i + 1, tokens: 8 * (i + 1), lossNats: loss },
      ...ofExperts,
    };
  });
  return { config, metrics };
}

describe("an arm", () => {
  const both = arm("copy", [run(1, 2, 0.01), run(2, 4, 0.02)]);

  it("is the mean of its seeds, and of layers", () => {
    expect([both.startStep, both.seeds, both.finalLosses]).toEqual([WARMUP, [1, 2], [2, 4]]);
    expect(both.metrics).toHaveLength(STEPS);
    expect(both.metrics[0]).toEqual({ step: 1, tokens: 8, lossNats: 3 });
    const after = both.metrics[WARMUP + 1];
    expect(after.expertDistance).toBeCloseTo(2 * 0.015, 12);
    expect(after.routerGradNorm).toBeCloseTo(1.5 * Math.sqrt((9 + 16) / 2), 12);
    expect(finalUtilization(both)).toBe(0.5);
  });

  it("counts the updates until its experts lie apart", () => {
    expect(updatesUntilDistance(both, 0)).toBe(0);
    expect(updatesUntilDistance(both, 0.1)).toBe(4);
    expect(updatesUntilDistance(both, 1)).toBeUndefined();
  });

  it("has runs, as long as one another", () => {
    expect(() => arm("copy", [])).toThrow("copy has no runs");
    const short = { ...run(1, 1, 1), metrics: run(1, 1, 1).metrics.slice(1) };
    expect(() => arm("copy", [run(1, 1, 1), short])).toThrow("copy has runs of 20, 19 steps");
  });
});

describe("findings", () => {
  const copy = arm("copy", [run(1, 2, 0.01), run(2, 4, 0.02)]);
  const noise = arm("noise", [run(1, 1.5, 0.01, 0.3), run(2, 4.1, 0.02, 0.3)]);

  it("say which way the loss went, and how far it varied", () => {
    expect(warmupFindings(copy, noise)).toContain(
      "**noise** is 0.200 nats lower than that of **copy** on the same batches, between 0.500 nats lower and 0.100 nats higher over 2 seeds",
    );
    expect(warmupFindings(noise, copy)).toContain("0.200 nats higher");
    const one = (name: string): ReturnType<typeof arm> => arm(name, [run(1, 2, 0.01)]);
    expect(warmupFindings(one("a"), one("b"))).toContain("of one seed");
    expect(() => warmupFindings(copy, one("b"))).toThrow("copy has the seeds 1, 2, b 1");
  });

  it("say how long the symmetry lasted", () => {
    const text = symmetryFindings(copy, [noise]);
    expect(text).toContain("the experts is 0 exactly");
    expect(text).toContain(
      "a distance of 0.01 is reached within 1 update, a distance of 0.1 is reached within 4 updates",
    );
    expect(text).toContain("**noise** starts its experts at a distance of 0.60");
  });

  it("are tabled, with what is not known left out", () => {
    const dense = {
      ...run(1, 2, 0),
      metrics: run(1, 2, 0).metrics.map(({ step, tokens, lossNats }) => ({ step, tokens, lossNats })),
    };
    const rows = warmupTable([copy, arm("dense", [dense])]).markdown.split("\n");
    expect(rows[2]).toContain("| copy | 2 | 3.000 | 1.414 | 0.500 | 0 |");
    expect(rows[3]).toMatch(/^\| dense \| 1 \| 2.000 \|\s+\|\s+\|/);
  });
});
