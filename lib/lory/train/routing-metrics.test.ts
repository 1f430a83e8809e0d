import { describe, expect, test } from "vitest";
import { metricsLine, parseMetricsLine } from "./metrics";
import { peakFlops } from "./peak-flops";
import { packedExperts, routingRecord, unpackedExperts } from "./routing-metrics";
import { openRun } from "./run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

describe("sets of experts as digits", () => {
  test("keep every expert of every layer", () => {
    const experts = [[0, 3, 4], [], [8]];
    const packed = packedExperts(experts, 9);
    expect(packed).toBe("910000001");
    expect(unpackedExperts([packed], 3)).toEqual(experts);
    expect(unpackedExperts([packed, packedExperts([[1], [2], [8]], 9)], 3)).toEqual([[0, 1, 3, 4], [2], [8]]);
    expect(unpackedExperts([], 2)).toEqual([[], []]);
  });
});

describe("utilization", () => {
  /** Sums of two layers of four experts, of which one in each is high. */
  const sums = (a: number, b: number): number[] =>
    [a, b].flatMap((high) => [0, ...[0, 1, 2, 3].map((e) => (e === high ? 1 : 0)), ...[0, 1, 2, 3].map((e) => (e === high ? 1 : 0))]); // prettier-ignore

  test("counts pairs that were high at least once in ten steps, and no longer", () => {
    const before: { highExperts?: string }[] = [{}];
    const seen: (number | undefined)[] = [];
    for (let step = 1; step <= 12; step++) {
      const { utilization, highExperts } = routingRecord(step, sums(step === 1 ? 3 : 0, 1), 2, before);
      before.push({ highExperts });
      seen.push(utilization);
    }
    expect(seen).toEqual([2 / 8, ...new Array<number>(9).fill(3 / 8), 2 / 8, 2 / 8]);
  });

  test("comes with the lists by layer in every tenth step", () => {
    expect(Object.keys(routingRecord(9, sums(0, 1), 2, []))).toEqual(["utilization", "highExperts"]);
    const lists = routingRecord(20, sums(0, 1), 2, []);
    expect(lists.loadImbalance).toEqual([3, 3]);
    expect(lists.effectiveExperts).toEqual([1, 1]);
  });
});

test("a device's peak is known by its name, and not guessed", () => {
  expect(peakFlops("NVIDIA H100 80GB HBM3", "bf16")).toBe(989.4e12);
  expect(peakFlops("NVIDIA H100 PCIe", "bf16")).toBe(756e12);
  expect(peakFlops("NVIDIA A100-SXM4-80GB", "f32")).toBe(156e12);
  expect(peakFlops("Intel(R) Xeon(R) Platinum 8481C", "f32")).toBeNull();
});

it("a run records how it routes, the same when it was stopped on the way", async ({ config, options }) => {
  const model = { ...config.model, numExperts: 4, initStd: 0.8 };
  const input = { ...config, model, trainTokens: 24 * 16 };
  const whole = await trainUntil(await openRun({ ...input, name: "whole" }, options));
  const stopped = await openRun(input, options);
  await trainUntil(stopped, 13);
  await trainUntil(stopped);
  const routing = stopped.metrics.map(({ utilization, highExperts, highShare }) => [
    utilization,
    highExperts,
    highShare,
  ]);
  expect(routing).toEqual(
    whole.map(({ utilization, highExperts, highShare }) => [utilization, highExperts, highShare]),
  );
  for (const step of whole) {
    expect(step.highExperts).toMatch(/^[0-9a-f]{2}$/);
    expect(step.utilization).toBeGreaterThanOrEqual(0);
    expect(step.meanEntropyNats?.length).toBe(step.step % 10 === 0 ? 2 : undefined);
    expect(parseMetricsLine(metricsLine(step))).toEqual(step);
  }
  expect(whole.some(({ utilization }) => utilization! > 0)).toBe(true);
  const [tenth] = whole.filter(({ step }) => step === 10);
  tenth.meanEntropyNats!.forEach((entropy, y) => {
    expect(entropy).toBeGreaterThan(0);
    expect(entropy).toBeLessThanOrEqual(tenth.entropyOfMeanNats![y] + 1e-6);
    expect(tenth.entropyOfMeanNats![y]).toBeLessThanOrEqual(Math.log(4) + 1e-6);
  });
});

it("a run of a dense model records nothing of routing, and no share of a peak that nobody knows", async ({
  config,
  options,
}) => {
  const seen = await trainUntil(await openRun({ ...config, model: { ...config.model, numExperts: 0 } }, options));
  expect(seen.at(-1)).toMatchObject({ step: 12, mfuPercent: null });
  expect(Object.keys(seen[9])).not.toEqual(expect.arrayContaining(["utilization"]));
});
