import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation, randomBits } from "../permutation";
import { jaccard, minHasher, shinglesOf } from "./minhash";
import { nearDuplicates } from "./near-duplicates";

/** Texts of words drawn evenly from so many that two texts share no five in a row by chance. */
const words = (count: number, seed: number) => {
  const bits = randomBits(seed);
  return Array.from({ length: count }, () => `w${bits() % 50_000}`);
};

/** The definition, on sets of strings. */
function slowSimilarity(a: string, b: string): number {
  const grams = (text: string) => {
    const parts = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
    return new Set(Array.from({ length: Math.max(1, parts.length - 4) }, (_, at) => parts.slice(at, at + 5).join(" ")));
  };
  const [first, second] = [grams(a), grams(b)];
  const shared = [...first].filter((gram) => second.has(gram)).length;
  return shared / (first.size + second.size - shared);
}

/** A text with every word of a share of its places replaced. */
const changed = (text: string[], changes: number, seed: number) => {
  const places = new Set(permutation(text.length, seed).slice(0, changes));
  return text.map((word, at) => (places.has(at) ? `changed${seed}x${at}` : word));
};

describe("shinglesOf and jaccard", () => {
  it("give the Jaccard similarity of the sets of word 5-grams", () => {
    const texts = fc.array(fc.constantFrom("a", "b", "C1", "dd"), { maxLength: 40 }).map((some) => some.join(" "));
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(jaccard(shinglesOf(a), shinglesOf(b))).toBeCloseTo(slowSimilarity(a, b), 12);
      }),
    );
  });

  it("look at words alone, whatever their case and what stands between them", () => {
    expect(shinglesOf("One two, three-four (five) six")).toEqual(shinglesOf("one\nTWO three  four five // six."));
    expect(shinglesOf("")).toEqual(shinglesOf("  "));
  });
});

describe("minHasher", () => {
  it("estimates the similarity: the mean error over many pairs is that of counting equal numbers", () => {
    const length = 256;
    const sign = minHasher(length, 7);
    const errors = Array.from({ length: 60 }, (_, seed) => {
      const text = words(300, seed);
      const other = changed(text, seed % 30, seed);
      const [a, b] = [text, other].map((each) => shinglesOf(each.join(" ")));
      const [left, right] = [new Uint32Array(length), new Uint32Array(length)];
      sign(a, left);
      sign(b, right);
      return left.filter((value, at) => value === right[at]).length / length - jaccard(a, b);
    });
    const mean = errors.reduce((sum, error) => sum + error) / errors.length;
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2) / errors.length);
    expect(Math.abs(mean)).toBeLessThan(0.015);
    // A binomial's, sqrt(p (1 - p) / 256), is at most 0.031.
    expect(deviation).toBeLessThan(0.05);
  });
});

describe("nearDuplicates", () => {
  it("finds what exact comparison of all pairs finds, and nothing else", () => {
    const texts = Array.from({ length: 400 }, (_, n) => {
      const original = words(150, Math.floor(n / 4));
      return changed(original, 3 * (n % 4), n).join(" ");
    });
    const limit = 0.7;
    const alike = nearDuplicates(limit, (n) => texts[n]);
    const found = texts.map((text, n) => {
      const likeness = alike.find(text);
      alike.add(text, n);
      return likeness;
    });
    const sets = texts.map(shinglesOf);
    let pairs = 0;
    texts.forEach((text, n) => {
      const best = Math.max(0, ...sets.slice(0, n).map((other) => jaccard(sets[n], other)));
      expect(found[n] !== undefined).toBe(best > limit);
      if (found[n] === undefined) return;
      pairs++;
      expect(found[n].similarity).toBeCloseTo(slowSimilarity(text, texts[found[n].document]), 12);
    });
    expect(pairs).toBeGreaterThan(90);
  });

  it("compares a bounded number of candidates where all texts resemble each other", () => {
    const original = words(120, 1);
    let read = 0;
    const texts = Array.from({ length: 600 }, (_, n) => changed(original, 12, n + 2).join(" "));
    const alike = nearDuplicates(0.9, (n) => {
      read++;
      return texts[n];
    });
    texts.forEach((text, n) => {
      alike.find(text);
      alike.add(text, n);
    });
    expect(read).toBeGreaterThan(600);
    expect(read).toBeLessThanOrEqual(48 * 600);
  });
});
