import { describe, expect, it } from "vitest";
import { Draws } from "../testing/draws";
import { bootstrapMeans, type DocumentSum } from "./bootstrap";

const value = (sum: number, weight = 1): DocumentSum[] => [{ sum, weight }];

describe("bootstrapped means", () => {
  it("are means by weight, of each stratum and of all", () => {
    const { strata, total } = bootstrapMeans([[value(2, 1), value(4, 2)], [value(30, 3)]]);
    expect(strata.map(([interval]) => interval?.mean)).toEqual([2, 10]);
    expect(total[0]?.mean).toBe(6);
  });

  it("have an interval of no width where all documents are alike", () => {
    const { total } = bootstrapMeans([Array.from({ length: 5 }, () => value(0))]);
    expect(total).toEqual([{ mean: 0, low: 0, high: 0 }]);
  });

  it("draw documents from their own strata", () => {
    const { total } = bootstrapMeans([[value(1), value(1)], [value(5)]]);
    expect(total[0]).toEqual({ mean: 7 / 3, low: 7 / 3, high: 7 / 3 });
  });

  it("are null where nothing is known, and rest on the documents that know something", () => {
    const documents = [
      [
        { sum: 0, weight: 0 },
        { sum: 3, weight: 1 },
      ],
      [
        { sum: 0, weight: 0 },
        { sum: 0, weight: 0 },
      ],
    ];
    expect(bootstrapMeans([documents]).total).toEqual([null, { mean: 3, low: 3, high: 3 }]);
  });

  it("depend on the seed alone", () => {
    const documents = Array.from({ length: 20 }, (_, i) => value(Math.sin(i)));
    const of = (seed: number) => bootstrapMeans([documents], { seed, resamples: 50 }).total;
    expect(of(3)).toEqual(of(3));
    expect(of(3)).not.toEqual(of(4));
  });

  it("hold the true mean as often as they say", () => {
    const draws = new Draws(1);
    const [trials, truth] = [300, 0.3];
    let [held, width] = [0, 0];
    for (let trial = 0; trial < trials; trial++) {
      // Documents differ in length and, more than their tokens do, among each other.
      const documents = Array.from({ length: 40 }, () => {
        const tokens = 5 + draws.integer(20);
        const mean = truth + 0.5 * draws.normal();
        return value(tokens * mean + Math.sqrt(tokens) * 0.3 * draws.normal(), tokens);
      });
      const { low, high } = bootstrapMeans([documents], { resamples: 300, seed: trial }).total[0]!;
      if (low <= truth && truth <= high) held++;
      width += (high - low) / trials;
    }
    // 3 standard errors of 300 trials, and the percentile interval's known shortness for 40 documents.
    expect(held / trials).toBeGreaterThan(0.89);
    expect(held / trials).toBeLessThan(0.99);
    // Four standard errors of a mean of 40, a little more as lengths differ.
    expect(width).toBeGreaterThan(0.29);
    expect(width).toBeLessThan(0.4);
  });

  it.each([
    [{ resamples: 0 }, "resamples is 0: expected a whole number of at least 1"],
    [{ level: 1 }, "level is 1: expected a number above 0 and below 1"],
    [{ level: NaN }, "level is NaN"],
  ])("refuse %j", (options, message) => {
    expect(() => bootstrapMeans([[value(1)]], options)).toThrow(message);
  });
});
