import { describe, expect, it } from "vitest";
import { sampleToken, uniformNumbers } from "./sampling";

const logits = Float32Array.from([0.5, 0.125, 0.25, 0.125].map(Math.log));
const EVEN = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);

/** How often each token comes when the uniform numbers are spread evenly: its probability, without chance. */
function shares(options: { temperature?: number; topP?: number; topK?: number }): number[] {
  const drawn = EVEN.map((uniform) => sampleToken(logits, { temperature: 1, topP: 1, ...options }, uniform));
  return [0, 1, 2, 3].map((id) => drawn.filter((token) => token === id).length / EVEN.length);
}

describe("drawing a token", () => {
  it("follows the softmax", () => {
    expect(shares({})).toEqual([0.5, 0.125, 0.25, 0.125]);
  });

  it("sharpens with a low temperature: probabilities to the power of 1 / temperature", () => {
    const squares = [0.25, 0.015625, 0.0625, 0.015625].map((square) => square / 0.34375);
    shares({ temperature: 0.5 }).forEach((share, id) => expect(Math.abs(share - squares[id])).toBeLessThan(2e-3));
  });

  it("takes the likeliest at temperature 0, the first of equals", () => {
    expect(shares({ temperature: 0 })).toEqual([1, 0, 0, 0]);
    expect(sampleToken(new Float32Array([1, 3, 3]), { temperature: 0, topP: 1 }, 0.99)).toBe(1);
  });

  it.each([
    ["the smallest set that reaches it", 0.7, [2 / 3, 0, 1 / 3, 0]],
    ["just reached", 0.5, [1, 0, 0, 0]],
    ["always one token", 1e-9, [1, 0, 0, 0]],
    ["the first of equals", 0.8, [4 / 7, 1 / 7, 2 / 7, 0]],
  ])("keeps of the nucleus %s", (_case, topP, expected) => {
    shares({ topP }).forEach((share, id) => expect(Math.abs(share - expected[id])).toBeLessThan(2e-3));
  });

  it.each([
    [1, [1, 0, 0, 0]],
    [2, [2 / 3, 0, 1 / 3, 0]],
    [3, [4 / 7, 1 / 7, 2 / 7, 0]],
    [9, [0.5, 0.125, 0.25, 0.125]],
  ])("keeps the %i likeliest, the first of equals", (topK, expected) => {
    shares({ topK }).forEach((share, id) => expect(Math.abs(share - expected[id])).toBeLessThan(2e-3));
    expect(shares({ topK, topP: 0.5 })).toEqual([1, 0, 0, 0]);
  });

  it("draws what a sorted list of all tokens says", () => {
    const next = uniformNumbers(3);
    for (let round = 0; round < 50; round++) {
      const some = Float32Array.from({ length: 40 }, () => Math.round(next() * 8) / 2);
      const uniform = next();
      const order = Array.from(some.keys()).sort((a, b) => some[b] - some[a] || a - b);
      const weight = (id: number): number => Math.exp(some[id] - some[order[0]]);
      const sum = (ids: number[]): number => ids.reduce((total, id) => total + weight(id), 0);
      const nucleus = order.findIndex((_, i) => sum(order.slice(0, i + 1)) >= 0.9 * sum(order)) + 1;
      const expected = order.find((_, i) => sum(order.slice(0, i + 1)) > uniform * sum(order.slice(0, nucleus)));
      expect(sampleToken(some, { temperature: 1, topP: 0.9 }, uniform)).toBe(expected);
    }
  });

  it("stays inside the vocabulary at the ends of the interval", () => {
    expect(sampleToken(logits, { temperature: 1, topP: 1 }, 0)).toBe(0);
    expect(sampleToken(logits, { temperature: 1, topP: 1 }, 1 - 2 ** -53)).toBe(3);
  });

  it("survives logits that are far apart or minus infinity", () => {
    const far = new Float32Array([-Infinity, -1e30, 80, 79]);
    expect(new Set(EVEN.map((uniform) => sampleToken(far, { temperature: 1, topP: 1 }, uniform)))).toEqual(
      new Set([2, 3]),
    );
  });

  it("refuses NaN", () => {
    expect(() => sampleToken(new Float32Array([1, NaN]), { temperature: 1, topP: 1 }, 0)).toThrow(/token 1 is NaN/);
  });
});

describe("uniform numbers", () => {
  it("are SplitMix64's: its known first outputs for seed 1234567", () => {
    const next = uniformNumbers(1234567);
    const known = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n];
    expect(known.map(() => next())).toEqual(known.map((bits) => Number(bits >> 11n) / 2 ** 53));
  });

  it("are spread over [0, 1), and differ between neighbouring seeds", () => {
    const next = uniformNumbers(0);
    const numbers = Array.from({ length: 4096 }, next);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(uniformNumbers(1)()).not.toBeCloseTo(numbers[0], 3);
  });
});
