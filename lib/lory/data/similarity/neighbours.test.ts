import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomBits } from "../permutation";
import { approximateNeighbours } from "./approximate-neighbours";
import { exactNeighbours } from "./exact-neighbours";
import { type Embeddings, NeighbourRows, normalizeRows, NO_NEIGHBOUR, recall, similarity } from "./neighbours";

/** Unit vectors around a few centres. */
function clusters(documents: number, dimension: number, centres: number, seed = 1): Embeddings {
  const bits = randomBits(seed);
  const number = () => bits() / 2 ** 31 - 1;
  const middles = Array.from({ length: centres }, () => Array.from({ length: dimension }, number));
  const vectors_ND = new Float32Array(documents * dimension);
  for (let i = 0; i < documents; i++) {
    for (let d = 0; d < dimension; d++) vectors_ND[i * dimension + d] = middles[i % centres][d] + 0.5 * number();
  }
  normalizeRows({ vectors_ND, dimension });
  return { vectors_ND, dimension };
}

/** The definition, pair by pair. */
function slowNeighbours(embeddings: Embeddings, k: number): { id: number; similarity: number }[][] {
  const documents = embeddings.vectors_ND.length / embeddings.dimension;
  return Array.from({ length: documents }, (_, own) =>
    Array.from({ length: documents }, (__, id) => ({ id, similarity: similarity(embeddings, own, id) }))
      .filter(({ id }) => id !== own)
      .sort((a, b) => b.similarity - a.similarity || a.id - b.id)
      .slice(0, k),
  );
}

describe("exactNeighbours", () => {
  it.each(["host", "device"] as const)("finds what comparing pair by pair finds, picked on the %s", async (select) => {
    const embeddings = clusters(53, 8, 5);
    // Blocks that do not divide the documents, and more neighbours than a block has keys.
    const found = await exactNeighbours(embeddings, { k: 9, queryBlock: 16, keyBlock: 7, select });
    slowNeighbours(embeddings, 9).forEach((expected, own) => {
      const row = { ids: found.ids_NK.subarray(9 * own, 9 * own + 9), of: found.similarities_NK.subarray(9 * own) };
      expect([...row.ids]).toEqual(expected.map(({ id }) => id));
      expected.forEach(({ similarity: value }, i) => expect(row.of[i]).toBeCloseTo(value, 5));
    });
  });

  it("finds on the device what is spread over more chunks of keys than neighbours are wanted", async () => {
    // Documents that are like each other lie far apart, and many are equal: rounded vectors of few numbers.
    const { vectors_ND, dimension } = clusters(1400, 4, 40);
    const rounded = { vectors_ND: vectors_ND.map((value) => Math.round(4 * value) / 4), dimension };
    const blocks = { k: 3, queryBlock: 500, keyBlock: 900 };
    const onDevice = await exactNeighbours(rounded, { ...blocks, select: "device" });
    expect(onDevice).toEqual(await exactNeighbours(rounded, { ...blocks, select: "host" }));
    const slow = slowNeighbours(rounded, 3).flat();
    expect([...onDevice.ids_NK]).toEqual(slow.map(({ id }) => id));
  });

  it.each(["host", "device"] as const)("takes the lower index of equal ones, picked on the %s", async (select) => {
    const vectors_ND = new Float32Array(12 * 2).map((_, i) => (i % 2 === 0 ? 1 : 0));
    const found = await exactNeighbours({ vectors_ND, dimension: 2 }, { k: 3, queryBlock: 5, keyBlock: 4, select });
    for (let own = 0; own < 12; own++) {
      const expected = [0, 1, 2, 3].filter((id) => id !== own).slice(0, 3);
      expect([...found.ids_NK.subarray(3 * own, 3 * own + 3)]).toEqual(expected);
    }
  });

  it.each(["host", "device"] as const)("finds those of the first documents alone, picked on the %s", async (select) => {
    const embeddings = clusters(40, 8, 5);
    const all = await exactNeighbours(embeddings, { k: 4 });
    const first = await exactNeighbours(embeddings, { k: 4, sought: 19, queryBlock: 16, select });
    expect(first.ids_NK.subarray(0, 19 * 4)).toEqual(all.ids_NK.subarray(0, 19 * 4));
    expect(new Set(first.ids_NK.subarray(19 * 4))).toEqual(new Set([NO_NEIGHBOUR]));
    expect(recall(all, first)).toBe(1);
  });

  it("leaves places empty where there are fewer documents, and stops when asked to", async () => {
    const embeddings = clusters(3, 4, 3);
    const found = await exactNeighbours(embeddings, { k: 4 });
    expect([...found.ids_NK.subarray(2, 4)]).toEqual([NO_NEIGHBOUR, NO_NEIGHBOUR]);
    await expect(exactNeighbours(embeddings, { k: 2, signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    await expect(exactNeighbours(embeddings, { k: 0 })).rejects.toThrow("k is 0");
    await expect(exactNeighbours({ ...embeddings, dimension: 5 }, { k: 1 })).rejects.toThrow("no whole rows of 5");
  });
});

describe("approximateNeighbours", () => {
  it("finds nearly all true neighbours, the same ones each time", async () => {
    const embeddings = clusters(1500, 16, 30);
    const exact = await exactNeighbours(embeddings, { k: 10 });
    const found = await approximateNeighbours(embeddings, { k: 10 });
    expect(recall(exact, exact)).toBe(1);
    expect(recall(found, exact)).toBeGreaterThan(0.97);
    expect(await approximateNeighbours(embeddings, { k: 10 })).toEqual(found);
    const first = await approximateNeighbours(embeddings, { k: 10, sought: 99 });
    expect(first.ids_NK.subarray(0, 990)).toEqual(found.ids_NK.subarray(0, 990));
    expect(new Set(first.ids_NK.subarray(990))).toEqual(new Set([NO_NEIGHBOUR]));
  });

  it("serves one document, and fewer documents than neighbours", async () => {
    const one = await approximateNeighbours(clusters(1, 4, 1), { k: 2 });
    expect([...one.ids_NK]).toEqual([NO_NEIGHBOUR, NO_NEIGHBOUR]);
    const three = await approximateNeighbours(clusters(3, 4, 3), { k: 5 });
    expect([...three.ids_NK.subarray(0, 3)].sort()).toEqual([NO_NEIGHBOUR, 1, 2]);
  });
});

describe("NeighbourRows", () => {
  it("keeps the best whatever the order in which they are offered", () => {
    const candidates = fc.uniqueArray(fc.record({ id: fc.nat(99), similarity: fc.integer({ min: -3, max: 3 }) }), {
      selector: ({ id }) => id,
      maxLength: 20,
    });
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 6 }), (offered, k) => {
        const rows = new NeighbourRows(1, k);
        offered.forEach(({ id, similarity: value }) => rows.offer(0, id, value));
        const best = [...offered].sort((a, b) => b.similarity - a.similarity || a.id - b.id).slice(0, k);
        expect([...rows.ids_NK].filter((id) => id !== NO_NEIGHBOUR)).toEqual(best.map(({ id }) => id));
      }),
    );
  });
});

describe("recall", () => {
  it("is the share of the true neighbours, and refuses what cannot be compared", () => {
    const rows = (...ids: number[]) => {
      const made = new NeighbourRows(1, 4);
      ids.forEach((id) => made.offer(0, id, 1 / (1 + id)));
      return made;
    };
    expect(recall(rows(1, 2, 7, 8), rows(1, 2, 3, 4))).toBe(0.5);
    expect(recall(rows(1), rows(1, 2))).toBe(0.5);
    expect(() => recall(new NeighbourRows(1, 3), rows(1))).toThrow("1 x 3 neighbours with 1 x 4");
  });
});
