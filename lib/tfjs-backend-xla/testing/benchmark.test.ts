import { expect, it } from "vitest";
import { deviceLabel, median, medianInterval } from "./benchmark";

it("takes the middle of numbers, and the mean of both where two are in the middle", () => {
  expect(median([3])).toBe(3);
  expect(median([10, 9, 1])).toBe(9);
  expect(median([1, 10])).toBe(5.5);
  expect(median([4, 100, 2, -7])).toBe(3);
});

it("has the median in its interval, and leaves out the outermost of many values alone", () => {
  expect(medianInterval([2, 1])).toEqual([1, 2]);
  const many = Array.from({ length: 101 }, (_, i) => i);
  const [low, high] = medianInterval(many);
  expect(low).toBeGreaterThan(30);
  expect(low + high).toBe(100);
});

it("names a device by its model, and another of NVIDIA's by what it is", () => {
  const devices = ["NVIDIA H200", "NVIDIA H100 80GB HBM3", "NVIDIA B200", "NVIDIA GeForce RTX 4090", "cpu"];
  expect(devices.map(deviceLabel)).toEqual(["h200", "h100", "b200", "cuda", "cpu"]);
});
