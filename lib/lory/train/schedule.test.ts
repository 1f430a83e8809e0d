import { describe, expect, it } from "vitest";
import { learningRateAt, warmupSteps } from "./schedule";

const optimizer = { learningRate: 2e-4, warmupFraction: 0.05, finalFraction: 0.1 };

describe("cosine with linear warmup, worked out by hand for 200 steps", () => {
  it.each([
    ["first step", 1, 2e-5],
    ["half of the warmup", 5, 1e-4],
    ["peak at the warmup's end", 10, 2e-4],
    ["a third of the cosine: (1 + cos 60) / 2 = 0.75", 10 + 190 / 3, 2e-4 * (0.1 + 0.9 * 0.75)],
    ["half of the cosine", 105, 2e-4 * 0.55],
    ["last step: a tenth of the peak", 200, 2e-5],
  ])("%s", (_point, step, expected) => {
    expect(learningRateAt(step, 200, optimizer)).toBeCloseTo(expected, 15);
  });

  it("rises to the peak, then falls", () => {
    const rates = Array.from({ length: 200 }, (_, i) => learningRateAt(i + 1, 200, optimizer));
    const risesAt = (i: number): boolean => rates[i + 1] > rates[i];
    expect(rates.slice(1).map((_, i) => risesAt(i))).toEqual(rates.slice(1).map((_, i) => i < 9));
  });
});

describe("edges", () => {
  it("a training too short for a warmup begins under its peak on the cosine", () => {
    expect(warmupSteps(5, optimizer)).toBe(0);
    expect(learningRateAt(5, 5, optimizer)).toBeCloseTo(2e-5, 15);
    expect(learningRateAt(1, 1, optimizer)).toBeCloseTo(2e-5, 15);
  });

  it("no warmup and nothing but warmup", () => {
    expect(learningRateAt(1, 4, { ...optimizer, warmupFraction: 0 })).toBeCloseTo(
      2e-4 * (0.1 + 0.45 * (1 + Math.SQRT1_2)),
      15,
    );
    expect(learningRateAt(4, 4, { ...optimizer, warmupFraction: 1 })).toBe(2e-4);
  });

  it("0.05 of 140 steps is 7, although 0.05 * 140 is a little more in binary", () => {
    expect(warmupSteps(140, optimizer)).toBe(7);
  });
});
