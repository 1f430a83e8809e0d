import { expect, it } from "vitest";
import { Throughput } from "./throughput";

it("leaves out the first step, which compiles", () => {
  const throughput = new Throughput();
  throughput.stepEnded(9000);
  expect(throughput.stepsPerSecond).toBeNull();
  throughput.stepEnded(9500);
  expect(throughput.stepsPerSecond).toBe(2);
});

it("leaves out the time before a pause ended", () => {
  const throughput = new Throughput();
  throughput.resumed(500);
  throughput.stepEnded(1000);
  throughput.stepEnded(1500);
  throughput.resumed(60_000);
  throughput.stepEnded(60_500);
  expect(throughput.stepsPerSecond).toBe(2);
});

it("forgets everything where other steps follow", () => {
  const throughput = new Throughput();
  for (const nowMs of [0, 1000, 2000]) throughput.stepEnded(nowMs);
  throughput.restarted();
  throughput.stepEnded(9000);
  expect([throughput.stepsPerSecond, throughput.lastStepMs]).toEqual([null, null]);
  throughput.stepEnded(9500);
  expect(throughput.stepsPerSecond).toBe(2);
});

it("forgets what is longer ago than its window", () => {
  const throughput = new Throughput(2);
  for (const nowMs of [0, 1000, 2000, 2100, 2200]) throughput.stepEnded(nowMs);
  expect(throughput.stepsPerSecond).toBeCloseTo(10, 12);
});
