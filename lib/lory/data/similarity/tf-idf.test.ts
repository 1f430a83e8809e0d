import { describe, expect, it } from "vitest";
import { permutation } from "../permutation";
import { storeOf } from "../tiny-store";
import { tfIdfEmbedder } from "./tf-idf";

describe("tfIdfEmbedder", () => {
  it("gives unit vectors, alike for documents that share rare tokens", async () => {
    // Two topics of 40 tokens each, drawn in another order in each document; every third token is common to all.
    const topic = (first: number, i: number) =>
      Array.from(permutation(40, i), (token, t) => (t % 3 === 0 ? 0 : first + token));
    const documents = [0, 1, 2].flatMap((i) => [topic(100, i), topic(500, i)]);
    const embedder = tfIdfEmbedder(storeOf(documents), 64);
    const vectors = await embedder.embed(documents.map((tokens) => Int32Array.from(tokens)));
    const cosine = (a: number, b: number) =>
      vectors.subarray(64 * a, 64 * a + 64).reduce((sum, value, d) => sum + value * vectors[64 * b + d], 0);
    expect(cosine(0, 0)).toBeCloseTo(1, 5);
    expect(Math.min(cosine(0, 2), cosine(1, 3))).toBeGreaterThan(0.1 + Math.max(cosine(0, 1), cosine(2, 3)));
  });

  it("keeps the cosines of the vectors that it projects", async () => {
    // Without pairs or common tokens: the weights of single tokens are all equal, and the cosine is the share of common ones.
    const documents = Array.from({ length: 30 }, (_, i) => [i < 2 ? 1000 : 2000 + i]);
    const embedder = tfIdfEmbedder(storeOf(documents), 256);
    const vectors = await embedder.embed(documents.map((tokens) => Int32Array.from(tokens)));
    const cosine = (a: number, b: number) =>
      vectors.subarray(256 * a, 256 * a + 256).reduce((sum, value, d) => sum + value * vectors[256 * b + d], 0);
    expect(cosine(0, 1)).toBeCloseTo(1, 5);
    const others = Array.from({ length: 28 }, (_, i) => cosine(0, 2 + i));
    expect(Math.abs(others.reduce((a, b) => a + b) / 28)).toBeLessThan(0.1);
  });

  it("is named by its corpus and its dimension", () => {
    const id = (documents: number[][], dimension?: number) => tfIdfEmbedder(storeOf(documents), dimension).id;
    expect(id([[1, 2]])).toBe(id([[1, 2]]));
    expect(id([[1, 2]])).not.toBe(id([[1, 3]]));
    expect(id([[1, 2]])).not.toBe(id([[1, 2]], 8));
    expect(() => id([[1]], 2)).toThrow("dimension is 2");
  });
});
