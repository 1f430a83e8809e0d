import { describe, expect, it } from "vitest";
import { symmetryCurves, utilizationCurves } from ".";
import {
  bottomMiddleTop,
  dataMixture,
  figureTitle,
  intervalCurves,
  lossCurves,
  perplexityBars,
  routingHeatmap,
  seriesColor,
} from ".";
import type { Figure, JsonObject } from ".";
import { centredMean, thinned } from "./smoothing";

/** A figure must come out of JSON as it went in: no undefined, no NaN, no functions. */
function expectPlain(figure: Figure): void {
  expect(JSON.parse(JSON.stringify(figure))).toEqual(figure);
}

const curve = (name: string, losses: number[]) => ({
  name,
  metrics: losses.map((lossNats, i) => ({ tokens: (i + 1) * 100, lossNats })),
});

describe("centredMean", () => {
  it("keeps the ends and averages around each point", () => {
    expect(centredMean([1, 2, 6, 3, 8], 3)).toEqual([1, 3, 11 / 3, 17 / 3, 8]);
  });

  it("leaves a straight line as it is, whatever the window", () => {
    const line = Array.from({ length: 40 }, (_, i) => 7 - i / 4);
    for (const window of [1, 2, 3, 9, 100]) {
      centredMean(line, window).forEach((value, i) => expect(value).toBeCloseTo(line[i], 10));
    }
  });

  it("does not spread a value that is not finite backwards", () => {
    expect(centredMean([1, 1, 1, NaN], 3).slice(0, 2)).toEqual([1, 1]);
  });

  it("refuses a window that is no count", () => {
    expect(() => centredMean([1], 0)).toThrow("smoothing window is 0");
  });
});

describe("thinned", () => {
  it("keeps everything that fits, and both ends of what does not", () => {
    expect(thinned(3, 5)).toEqual([0, 1, 2]);
    const kept = thinned(1000, 10);
    expect(kept).toHaveLength(10);
    expect([kept[0], kept[9]]).toEqual([0, 999]);
    expect(new Set(kept).size).toBe(10);
  });
});

describe("lossCurves", () => {
  const curves = [curve("dense", [9, 8, 7, 6, 5]), curve("8 experts", [9, 7.5, 6.5, 6, 4])];

  it("draws each run in a colour of its own, raw behind smoothed", () => {
    const figure = lossCurves(curves, { smoothing: 3 });
    expectPlain(figure);
    expect(figure.data.map(({ name }) => name)).toEqual([
      "dense, every step",
      "dense",
      "8 experts, every step",
      "8 experts",
    ]);
    expect(figure.data[0].y).toEqual([9, 8, 7, 6, 5]);
    expect(figure.data[1].x).toEqual([100, 200, 300, 400, 500]);
    expect(figure.data.map(({ line }) => (line as JsonObject).color)).toEqual([0, 0, 1, 1].map(seriesColor));
    expect(JSON.stringify(figure.layout.title)).toContain("centred mean over 3 steps");
  });

  it("draws the difference to a baseline on the same batches only", () => {
    const shorter = [curves[0], curve("8 experts", [9, 7.5, 6.5])];
    const figure = lossCurves(shorter, { smoothing: 1, baseline: "dense" });
    expectPlain(figure);
    const gap = figure.data.find(({ yaxis }) => yaxis === "y2");
    expect(gap).toMatchObject({ name: "8 experts minus dense", x: [100, 200, 300], y: [0, -0.5, -0.5] });
    expect(figure.layout.yaxis2).toBeDefined();
  });

  it("draws reference levels across, and leaves out the faint curve when nothing is smoothed", () => {
    const references = [{ name: "unigram entropy", lossNats: 6.4 }];
    const figure = lossCurves([curves[0]], { smoothing: 1, references, maxTokens: 900 });
    expect(figure.data.map(({ name }) => name)).toEqual(["dense", "unigram entropy"]);
    expect(figure.data[1]).toMatchObject({ x: [0, 900], y: [6.4, 6.4] });
  });

  it("thins long runs after smoothing", () => {
    const long = curve(
      "long",
      Array.from({ length: 5000 }, (_, i) => 9 - i / 1000),
    );
    const figure = lossCurves([long], { maxPoints: 50 });
    for (const { x, y } of figure.data) {
      expect(x).toHaveLength(50);
      expect(y).toHaveLength(50);
    }
  });

  it("can be drawn before there is anything to draw", () => {
    expectPlain(lossCurves([curve("dense", [])]));
  });

  it("refuses a baseline that is no curve", () => {
    expect(() => lossCurves(curves, { baseline: "Dense" })).toThrow('"Dense", but the curves are "dense", "8 experts"');
  });
});

describe("perplexityBars", () => {
  const domains = [
    { domain: "prose", perplexity: 120 },
    { domain: "code", perplexity: 40 },
  ];

  it("draws a bar for each model and domain, from zero", () => {
    const figure = perplexityBars([
      { name: "dense", domains },
      { name: "8 experts", domains },
    ]);
    expectPlain(figure);
    expect(figure.data).toHaveLength(2);
    expect(figure.data[1]).toMatchObject({ type: "bar", name: "8 experts", x: ["prose", "code"], y: [120, 40] });
    expect(figure.layout.yaxis).toMatchObject({ rangemode: "tozero" });
  });

  it("refuses models that were evaluated on different domains", () => {
    const other = [{ domain: "code", perplexity: 40 }];
    expect(() =>
      perplexityBars([
        { name: "dense", domains },
        { name: "8 experts", domains: other },
      ]),
    ).toThrow("8 experts was evaluated on code; dense on prose, code");
  });
});

describe("dataMixture", () => {
  it("draws the largest domain on top, with shares that add up", () => {
    const size = { trainDocuments: 1200, heldOutDocuments: 1, heldOutTokens: 1 };
    const figure = dataMixture([
      { name: "code", trainTokens: 750, ...size },
      { name: "prose", trainTokens: 250, ...size },
    ]);
    expectPlain(figure);
    expect(figure.data[0]).toMatchObject({
      y: ["prose", "code"],
      x: [250, 750],
      text: ["25.0 %, 1,200 documents", "75.0 %, 1,200 documents"],
    });
  });
});

describe("utilizationCurves", () => {
  it("draws the steps with experts, as shares of all pairs, and leaves out models without", () => {
    const figure = utilizationCurves([
      { name: "dense", metrics: [{ tokens: 100 }, { tokens: 200 }] },
      { name: "warmed up", metrics: [{ tokens: 100 }, { tokens: 200, utilization: 0.25 }] },
    ]);
    expectPlain(figure);
    expect(figure.data).toHaveLength(1);
    // Colours are those of the models' places, as in the other figures of a notebook.
    expect(figure.data[0]).toMatchObject({ name: "warmed up", x: [200], y: [0.25], line: { color: seriesColor(1) } });
    expect(figure.layout.xaxis).toMatchObject({ range: [0, 200] });
  });

  it("can be drawn before there is anything to draw", () => {
    expectPlain(utilizationCurves([{ name: "a", metrics: [] }]));
  });
});

describe("symmetryCurves", () => {
  it("counts steps from the copy, and draws what a logarithmic axis can hold", () => {
    const measured = [0, 0.01, 0.1].map((expertDistance, i) => ({
      step: 4 + i,
      expertDistance,
      routerGradNorm: 1 + i,
    }));
    const metrics = [{ step: 3 }, ...measured, { step: 7, routerGradNorm: 9 }];
    const figure = symmetryCurves([{ name: "copy", startStep: 3, metrics }]);
    expectPlain(figure);
    expect(figure.data.map(({ x, y, yaxis }) => ({ x, y, yaxis }))).toEqual([
      { x: [2, 3], y: [0.01, 0.1], yaxis: "y" },
      { x: [1, 2, 3], y: [1, 2, 3], yaxis: "y2" },
    ]);
    expect(figure.layout.yaxis2).toMatchObject({ type: "log" });
  });
});

describe("routingHeatmap", () => {
  const uniform = Array.from({ length: 4 }, () => 0.25);
  const sharp = [0.7, 0.1, 0.1, 0.1];
  const routing = {
    domains: ["prose", "code"],
    weights: [
      [uniform, uniform],
      [uniform, sharp],
      [sharp, uniform],
      [uniform, uniform],
    ],
  };

  it("picks the bottom, the middle and the top layer", () => {
    expect(bottomMiddleTop(24)).toEqual([0, 11, 23]);
    expect(bottomMiddleTop(2)).toEqual([0, 1]);
    expect(bottomMiddleTop(1)).toEqual([0]);
  });

  it("draws a cell for each domain and expert, all panels on one colour scale from 0", () => {
    const figure = routingHeatmap(routing);
    expectPlain(figure);
    expect(figure.data.map(({ name }) => name)).toEqual(["layer 0", "layer 1", "layer 3"]);
    const middle = figure.data[1] as { x: number[]; base: number[]; marker: { color: number[]; coloraxis: string } };
    expect(middle.x).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(middle.base.map((from) => Math.round(from + 0.48))).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(middle.marker.color).toEqual([...uniform, ...sharp]);
    for (const { marker } of figure.data) expect(marker).toMatchObject({ coloraxis: "coloraxis" });
    expect(figure.layout.coloraxis).toMatchObject({ cmin: 0, cmax: 0.7 });
  });

  it("names the domains beside the first panel, from top to bottom", () => {
    const { layout } = routingHeatmap(routing);
    expect(layout.yaxis).toMatchObject({ ticktext: ["prose", "code"], range: [1.5, -0.5], showticklabels: true });
    expect(layout.yaxis2).toMatchObject({ showticklabels: false });
  });

  it("refuses a layer that is not there", () => {
    expect(() => routingHeatmap(routing, { layers: [4] })).toThrow("layer 4 was asked for; layers 0 to 3 are there");
  });
});

describe("intervalCurves", () => {
  it("draws means with what their intervals add and take away, in order of x", () => {
    const points = [
      { x: 16, mean: 0.1, low: 0.05, high: 0.25 },
      { x: 8, mean: 0.3, low: 0.2, high: 0.4 },
    ];
    const texts = { title: "Leak", note: "95 %", xTitle: "T", yTitle: "nats" };
    const figure = intervalCurves([{ name: "twin", points }], { ...texts, isLogarithmic: true });
    expectPlain(figure);
    expect(figure.data[0]).toMatchObject({ name: "twin", x: [8, 16], y: [0.3, 0.1] });
    const { array, arrayminus } = figure.data[0].error_y as { array: number[]; arrayminus: number[] };
    array.forEach((above, i) => expect(above).toBeCloseTo([0.1, 0.15][i], 12));
    arrayminus.forEach((below, i) => expect(below).toBeCloseTo([0.1, 0.05][i], 12));
    expect(figure.layout.xaxis).toMatchObject({ type: "log", tickvals: [8, 16] });
    expect(intervalCurves([], texts).layout.xaxis).not.toHaveProperty("tickvals");
  });
});

describe("figureTitle", () => {
  it("is the first line without markup", () => {
    expect(figureTitle({ data: [], layout: { title: { text: "Loss of <b>all</b><br>small" } } })).toBe("Loss of all");
    expect(figureTitle({ data: [], layout: {} })).toBe("");
  });
});
