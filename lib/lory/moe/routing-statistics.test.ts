import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { beforeAll, describe, expect, it, test } from "vitest";
import { Draws } from "../testing/draws";
import { useTestBackend } from "../testing";
import { domainInformationNats, entropyNats, routingStatistics, routingSums } from "./routing-statistics";

beforeAll(useTestBackend);

/** By layer, sequence, unit and expert. */
type Weights = readonly (readonly (readonly (readonly number[])[])[])[];

/** The definitions, in float64 and one at a time: every token of a unit has the unit's weights. */
function reference(weights: Weights[number], unitTokens: readonly number[]) {
  const rows = weights.flatMap((sequence) =>
    sequence.flatMap((row, n) => {
      const total = row.reduce((sum, weight) => sum + weight, 0);
      const shares = row.map((weight) => weight / total);
      return total === 0 ? [] : Array.from({ length: unitTokens[n] }, () => shares);
    }),
  );
  const numExperts = weights[0][0].length;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const entropy = (shares: readonly number[]) => -mean(shares.map((p) => (p === 0 ? 0 : p * Math.log(p)))) * numExperts;
  const means = rows[0].map((_, e) => mean(rows.map((row) => row[e])));
  const isHigh = (share: number) => share > 2 / numExperts;
  return {
    meanEntropyNats: mean(rows.map(entropy)),
    entropyOfMeanNats: entropy(means),
    effectiveExperts: Math.exp(entropy(means)),
    highShare: mean(rows.flat().map((share) => (isHigh(share) ? 1 : 0))),
    loadImbalance: Math.max(...means) * numExperts - 1,
    highExperts: means.flatMap((_, e) => (rows.some((row) => isHigh(row[e])) ? [e] : [])),
  };
}

async function statistics(weights: Weights, unitTokens: readonly number[]) {
  const [units, numExperts] = [unitTokens.length, weights[0][0][0].length];
  const layers = weights.map((layer) => tf.tensor3d(layer.flat(2), [layer.length, units, numExperts]));
  const sums = jit((routing: tf.Tensor3D[]) => routingSums(routing, unitTokens))(layers);
  const values = Array.from(await sums.data());
  tf.dispose([layers, sums]);
  const width = 1 + 2 * numExperts;
  return weights.map((_, y) => routingStatistics(values.slice(y * width, (y + 1) * width)));
}

describe("the statistics of routing", () => {
  it.each([
    ["few experts, a short last unit", 3, [4, 4, 1]],
    ["many experts", 11, [2, 2]],
    ["one unit", 5, [7]],
    ["one expert", 1, [3, 2]],
  ] as const)("are what they are defined as: %s", async (_, numExperts, unitTokens) => {
    const draws = new Draws(unitTokens.length + numExperts);
    const row = () => {
      const raw = Array.from({ length: numExperts }, () => draws.integer(1000) ** 3 + 1);
      const total = raw.reduce((sum, value) => sum + value, 0);
      return raw.map((value) => value / total);
    };
    const weights = [0, 1].map(() => [0, 1, 2].map(() => unitTokens.map(row)));
    const found = await statistics(weights, unitTokens);
    weights.forEach((layer, y) => {
      const { highExperts, ...numbers } = reference(layer, unitTokens);
      expect(found[y]!.highExperts).toEqual(highExperts);
      for (const [name, value] of Object.entries(numbers)) {
        expect(found[y]![name as keyof typeof numbers], name).toBeCloseTo(value, 5);
      }
    });
  });

  it("take weights as shares of their sum, and leave out units without any", async () => {
    const layer = [
      [
        [0, 0, 0, 0],
        [0.2, 0.2, 0, 0],
        [0, 0, 0, 3],
      ],
    ];
    const [found] = await statistics([layer], [2, 2, 2]);
    const { highExperts, ...numbers } = reference(layer, [2, 2, 2]);
    expect(highExperts).toEqual([3]);
    expect(found).toMatchObject({ highExperts });
    for (const [name, value] of Object.entries(numbers)) {
      expect(found![name as keyof typeof numbers], name).toBeCloseTo(value, 5);
    }
    expect(await statistics([[[[0, 0]]]], [3])).toEqual([undefined]);
  });

  it("know the ends of their scales", async () => {
    const even = [[[0.25, 0.25, 0.25, 0.25]]];
    const collapsed = [[[1, 0, 0, 0]]];
    const [a, b] = await statistics([even, collapsed], [1]);
    expect(a).toMatchObject({ highShare: 0, highExperts: [], loadImbalance: 0 });
    expect(a!.effectiveExperts).toBeCloseTo(4, 5);
    expect(b).toMatchObject({ highShare: 0.25, highExperts: [0], loadImbalance: 3, effectiveExperts: 1 });
    expect([b!.meanEntropyNats, b!.entropyOfMeanNats]).toEqual([0, 0]);
  });
});

test("domains share information with experts as far as their weights differ", () => {
  const apart = [
    [1, 0],
    [0, 1],
  ];
  expect(domainInformationNats(apart)).toBeCloseTo(Math.log(2), 12);
  expect(domainInformationNats([[0.3, 0.7], [0.3, 0.7], [0.3, 0.7]])).toBeCloseTo(0, 12); // prettier-ignore
  // By its other definition: the sum over pairs of p(d, e) log (p(d, e) / (p(d) p(e))).
  const weights = [
    [0.5, 0.3, 0.2],
    [0.1, 0.1, 0.8],
  ];
  const means = [0, 1, 2].map((e) => (weights[0][e] + weights[1][e]) / 2);
  const expected = weights
    .flatMap((row) => row.map((p, e) => (p / 2) * Math.log(p / means[e])))
    .reduce((sum, term) => sum + term, 0);
  expect(domainInformationNats(weights)).toBeCloseTo(expected, 12);
  expect(entropyNats([0.5, 0.5, 0])).toBeCloseTo(Math.log(2), 12);
});
