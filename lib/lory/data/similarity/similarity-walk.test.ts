import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation } from "../permutation";
import { NeighbourRows, type Neighbours } from "./neighbours";
import { releasedWalk } from "./released-walk";
import { similarityWalk } from "./similarity-walk";

type Row = { id: number; similarity: number }[];

function neighboursOf(rows: readonly Row[], k: number): Neighbours {
  const made = new NeighbourRows(rows.length, k);
  rows.forEach((row, own) => row.forEach(({ id, similarity }) => made.offer(own, id, similarity)));
  return made;
}

/** Documents, each with up to K others as neighbours; few similarities, so that many are equal, and the same both ways. */
const someRows = fc.integer({ min: 1, max: 14 }).chain((documents) =>
  fc.record({
    k: fc.integer({ min: 1, max: 5 }),
    weights: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: documents ** 2, maxLength: documents ** 2 }),
    rows: fc.array(fc.uniqueArray(fc.nat(documents - 1), { maxLength: 5 }), {
      minLength: documents,
      maxLength: documents,
    }),
  }),
);

function rowsOf({ k, weights, rows }: { k: number; weights: number[]; rows: number[][] }): Row[] {
  return rows.map((ids, own) =>
    ids
      .filter((id) => id !== own)
      .slice(0, k)
      .map((id) => ({ id, similarity: weights[Math.min(own, id) * rows.length + Math.max(own, id)] }))
      .sort((a, b) => b.similarity - a.similarity || a.id - b.id),
  );
}

/** The paper's algorithm as it is written there: a set of what is left, the whole graph as pairs, everything sought anew in each step. */
function slowWalk(rows: readonly Row[]): { order: number[]; pathStarts: number[] } {
  const joined = (a: number, b: number) => [
    ...rows[a].filter(({ id }) => id === b),
    ...rows[b].filter(({ id }) => id === a),
  ];
  const all = rows.map((_, i) => i);
  const degree = (a: number) => all.filter((b) => b !== a && joined(a, b).length > 0).length;
  const order: number[] = [];
  const pathStarts: number[] = [];
  while (order.length < rows.length) {
    const left = all.filter((id) => !order.includes(id));
    const last = order.at(-1);
    const near = last === undefined ? [] : left.filter((id) => joined(last, id).length > 0);
    if (near.length === 0) {
      pathStarts.push(order.length);
      order.push(left.reduce((best, id) => (degree(id) < degree(best) ? id : best)));
    } else {
      const weight = (id: number) => joined(last!, id)[0].similarity;
      order.push(near.reduce((best, id) => (weight(id) > weight(best) ? id : best)));
    }
  }
  return { order, pathStarts };
}

/** The released script's sorting and merging, on plain lists. */
function slowReleasedWalk(rows: readonly Row[], seed: number, pathLength: number): number[] {
  const waiting = [...permutation(rows.length, seed)];
  const paths: number[][] = [];
  while (paths.flat().length < rows.length) {
    const path = paths.at(-1) ?? [];
    const next = path.length > 0 && path.length < pathLength;
    const follower = next ? rows[path.at(-1)!].find(({ id }) => !paths.flat().includes(id))?.id : undefined;
    if (follower !== undefined) path.push(follower);
    else paths.push([waiting.find((id) => !paths.flat().includes(id))!]);
  }
  for (let short = 0; short < paths.length; short++) {
    if (paths[short].length >= pathLength) continue;
    for (const document of [...paths[short]]) {
      const host = rows[document].find(({ id }) => !paths[short].includes(id))?.id;
      if (host === undefined) continue;
      paths[short] = paths[short].filter((id) => id !== document);
      const target = paths.find((path) => path.includes(host))!;
      target.splice(target.indexOf(host), 0, document);
    }
  }
  return paths.flat();
}

describe("similarityWalk", () => {
  it("takes the way of the algorithm written out slowly, each document once", () => {
    fc.assert(
      fc.property(someRows, (given) => {
        const rows = rowsOf(given);
        const walk = similarityWalk(neighboursOf(rows, given.k));
        expect({ order: [...walk.order], pathStarts: [...walk.pathStarts] }).toEqual(slowWalk(rows));
        expect([...walk.order].sort((a, b) => a - b)).toEqual(rows.map((_, i) => i));
      }),
      { numRuns: 400 },
    );
  });

  it("starts at the lowest degree and goes to the most similar neighbour", () => {
    const rows = [[{ id: 1, similarity: 0.9 }], [{ id: 2, similarity: 0.5 }], [{ id: 3, similarity: 0.8 }], [], []];
    expect(similarityWalk(neighboursOf(rows, 1))).toEqual({
      order: Uint32Array.of(4, 0, 1, 2, 3),
      pathStarts: Uint32Array.of(0, 1),
    });
  });

  it("refuses neighbours that are no documents", () => {
    const neighbours = neighboursOf([[{ id: 7, similarity: 1 }]], 1);
    expect(() => similarityWalk(neighbours)).toThrow("document 0 has the neighbour 7: there are 1 documents");
  });
});

describe("releasedWalk", () => {
  it("does what the released script does, on plain lists", () => {
    fc.assert(
      fc.property(someRows, fc.nat(), fc.integer({ min: 1, max: 5 }), (given, seed, pathLength) => {
        const rows = rowsOf(given);
        const { order, pathStarts } = releasedWalk(neighboursOf(rows, given.k), { seed, pathLength });
        expect([...order]).toEqual(slowReleasedWalk(rows, seed, pathLength));
        expect(pathStarts[0]).toBe(0);
      }),
      { numRuns: 400 },
    );
  });
});
