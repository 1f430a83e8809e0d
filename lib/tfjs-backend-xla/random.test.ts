import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { beforeEach, describe, expect, it } from "vitest";
import { random, type XlaBackend } from "./index";
import { expectClose } from "./testing";
import { threefryBits } from "./threefry";

beforeEach(() => tf.setBackend("xla"));

describe("random numbers", () => {
  it("are Threefry's published test vectors", () => {
    // Random123's kat_vectors, threefry2x32 with 20 rounds: key 0, counter 0.
    expect([...threefryBits(0n, 0n, 2)]).toEqual([0x6b200159, 0x99ba4efe]);
  });

  it.each([1, 2, 7, 1000])("have the same bits on the device as on the host, %i of them", async (n) => {
    const options = { seed: 2 ** 40 + 17, stream: 5 };
    const device = random.uniform([n], options).dataSync();
    const normals = random.normal([n], { ...options, mean: 2, stdDev: 3 }).dataSync();
    await tf.setBackend("cpu");
    expectClose(device, random.uniform([n], options).dataSync(), { rtol: 0, atol: 0 });
    expectClose(normals, random.normal([n], { ...options, mean: 2, stdDev: 3 }).dataSync(), {
      rtol: 1e-5,
      atol: 1e-5,
    });
  });

  it("differ by seed and stream, and repeat", () => {
    const draw = (seed: number, stream?: number) => [...random.normal([50], { seed, stream }).dataSync()];
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1, 1)).not.toEqual(draw(1));
  });

  it("have the distribution asked for", () => {
    const { mean, variance } = tf.moments(random.normal([200, 500], { seed: 3, mean: 1, stdDev: 2 }));
    expectClose(mean, 1, { rtol: 0, atol: 0.03 });
    expectClose(variance, 4, { rtol: 0, atol: 0.1 });
    const u = random.uniform([100_000], { seed: 3, low: -1, high: 3 });
    expectClose(tf.mean(u), 1, { rtol: 0, atol: 0.03 });
    expect(tf.min(u).dataSync()[0]).toBeGreaterThanOrEqual(-1);
    expect(tf.max(u).dataSync()[0]).toBeLessThan(3);
  });

  it.each(["xla", "cpu"])("stay below the upper end where sums are rounded up to it, on %s", async (backend) => {
    await tf.setBackend(backend);
    const [low, high] = [1000, 1000.001]; // 16 numbers of f32 apart
    const u = random.uniform([2000], { seed: 3, low, high }).dataSync();
    expect(Math.min(...u)).toBe(low);
    expect(Math.max(...u)).toBeLessThan(Math.fround(high));
    expect(Math.max(...random.uniform([4], { seed: 3, low: -5, high: -5 }).dataSync())).toBe(-5);
  });

  it("compile one program for all seeds", () => {
    const { device } = tf.backend() as XlaBackend;
    random.normal([3, 4], { seed: 1 }).dataSync();
    const compiled = device.programCount;
    random.normal([3, 4], { seed: 2, stream: 9 }).dataSync();
    expect(device.programCount).toBe(compiled);
  });

  it("refuse bad seeds", () => {
    for (const seed of [-1, 1.5, NaN, 2 ** 53])
      expect(() => random.normal([2], { seed })).toThrow(/seed is .* must be an integer from 0 to 2\^53 - 1/);
    expect(() => random.uniform([2], { seed: 1, stream: 2 ** 24 })).toThrow(/stream is 16777216/);
  });
});
