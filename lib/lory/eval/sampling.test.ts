import { describe, expect, it } from "vitest";
import { sampleToken, uniformNumbers } from "./sampling";

const logits = Float32Array.from([0.5, 0.125, 0.25, 0.125].map(Math.log));
const EVEN = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);

/** How often each token comes when the uniform numbers are spread evenly: its probability, without chance. */
function shares(options: { temperature?: number; topP?: number }): number[] {
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
