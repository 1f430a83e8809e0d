import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** What a batching does to instances. */
export interface BatchingBar {
  readonly name: string;
  /** Mean cosine of documents that follow one another in an instance. */
  readonly similarity: number;
  /** Mean share of an instance's most frequent domain. */
  readonly purity: number;
}

/** Similarity of neighbours and domain purity of instances, a pair of bars for each batching, both between 0 and 1. */
export function batchingBars(batchings: readonly BatchingBar[], title = "What batchings do to instances"): Figure {
  const bar = (name: string, index: number, value: (batching: BatchingBar) => number): JsonObject => ({
    type: "bar",
    name,
    x: batchings.map((batching) => batching.name),
    y: batchings.map(value),
    marker: { color: seriesColor(index) },
    texttemplate: "%{y:.2f}",
    textposition: "outside",
    cliponaxis: false,
    textfont: { size: STYLE.smallFontSize },
    hovertemplate: `%{x}, ${name}: %{y:.3f}<extra></extra>`,
  });
  const data = [
    bar("similarity of neighbours", 0, ({ similarity }) => similarity),
    bar("domain purity", 1, ({ purity }) => purity),
  ];
  const layout = paperLayout(title, "mean cosine of neighbouring documents; mean share of an instance's main domain", {
    xaxis: axis("", { showgrid: false, ticklen: 0 }),
    yaxis: axis("", { range: [0, 1.05] }),
    barmode: "group",
    bargap: 0.25,
    bargroupgap: 0.06,
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h" },
  });
  return { data, layout };
}
