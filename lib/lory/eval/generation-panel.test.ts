import { expect, it } from "vitest";
import { generationPanel, panelMeans, type PanelSeed } from "./generation-panel";

/** One seed, as far as its means rest on it: all its losses are higher by `by`. */
function measuredSeed(seed: number, by: number): PanelSeed {
  const drift = {
    segments: [2, 3],
    fromBefore: [by, 0.1],
    fromPrompt: [0.2, by],
    fromPromptByLayer: [],
    texts: [1, 1],
  };
  const point = { domains: [], weightBytes: 7 };
  return {
    seed,
    gaps: [
      { name: "law", values: [0.1 + by, 0.3] },
      { name: "code", values: [0.3 + by, 0.1] },
    ],
    drifts: [{ name: "real text", ...drift }],
    sparse: [
      { ...point, count: 1, renormalize: true, lossNats: 3 + by },
      { ...point, count: 2, renormalize: true, lossNats: 2 + by },
    ],
    denseSize: { lossNats: 4 + by, weightBytes: 9 },
  } as unknown as PanelSeed;
}

it("a panel's means are over its seeds, and each seed's gap over domains", () => {
  const { gaps, drifts, sparse, denseSize } = panelMeans({ measured: [measuredSeed(0, 0), measuredSeed(5, 0.5)] });
  expect(gaps.map(({ name }) => name)).toEqual(["seed 0", "seed 5"]);
  gaps.forEach(({ values }, i) => [0.2 + i / 2, 0.2].forEach((mean, at) => expect(values[at]).toBeCloseTo(mean, 12)));
  expect(drifts[0]).toMatchObject({ name: "real text", fromBefore: [0.25, 0.1], fromPrompt: [0.2, 0.25] });
  expect(sparse.map(({ count, lossNats, weightBytes }) => [count, lossNats, weightBytes])).toEqual([
    [1, 3.25, 7],
    [2, 2.25, 7],
  ]);
  expect(denseSize).toEqual({ lossNats: 4.25, weightBytes: 9 });
});

it("there is no panel where none is recorded", () => {
  expect(generationPanel("/nowhere/panel.json")).toBeUndefined();
});
