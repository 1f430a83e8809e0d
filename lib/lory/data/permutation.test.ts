import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation, randomBits, xoshiro128 } from "./permutation";

describe("random bits", () => {
  it("are xoshiro128**'s", () => {
    // The reference implementation's first outputs for the state 1, 2, 3, 4.
    const bits = xoshiro128(1, 2, 3, 4);
    expect(Array.from({ length: 6 }, bits)).toEqual([11520, 0, 5927040, 70819200, 2031721883, 1637235492]);
  });

  it("differ between seeds, streams and seeds beyond 32 bits", () => {
    const draws = [
      [1, 0],
      [2, 0],
      [1, 1],
      [2, 1],
      [1 + 2 ** 32, 0],
      [2 ** 52, 0],
    ].map(([seed, stream]) => randomBits(seed, stream)());
    expect(new Set(draws).size).toBe(draws.length);
  });
});

describe("permutation", () => {
  it("holds every number once and depends on its arguments alone", () => {
    fc.assert(
      fc.property(fc.nat(500), fc.maxSafeNat(), fc.nat(10), (length, seed, stream) => {
        const order = permutation(length, seed, stream);
        expect(order.slice().sort()).toEqual(Uint32Array.from({ length }, (_, i) => i));
        expect(permutation(length, seed, stream)).toEqual(order);
      }),
    );
  });

  it("stays the same from version to version", () => {
    expect([...permutation(10, 42)]).toEqual([0, 4, 8, 9, 2, 7, 5, 1, 6, 3]);
    expect([...permutation(10, 42, 1)]).toEqual([6, 7, 2, 4, 8, 3, 0, 1, 9, 5]);
  });

  it("gives every order of four about equally often", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 12_000; seed++) {
      const order = permutation(4, seed).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // Binomial with n = 12000, p = 1/24: 500 with a deviation of 22.
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(4.5 * 22);
  });
});
