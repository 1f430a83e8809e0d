import type { Figure, JsonObject } from "./figure";
import { thinned } from "./smoothing";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** Of a curve, at most. */
const MAX_POINTS = 300;

/** How many experts a model uses over its training. */
export interface UtilizationCurve {
  readonly name: string;
  readonly metrics: readonly {
    readonly tokens: number;
    /** Share of the pairs (layer, expert) with a weight above 2 / E at least once in the last 10 steps; absent while a dense model is trained. */
    readonly utilization?: number;
  }[];
}

/**
 * The share of active pairs of layer and expert over training (the paper's Figs. 9 and 10): a pair is active if its routing weight was above 2 / E for a
 * unit of text at least once in the last 10 steps. Steps without experts have no point.
 */
export function utilizationCurves(
  curves: readonly UtilizationCurve[],
  { title = "Active experts" }: { readonly title?: string } = {},
): Figure {
  const lastTokens = Math.max(0, ...curves.flatMap(({ metrics }) => metrics.at(-1)?.tokens ?? []));
  const data = curves.flatMap(({ name, metrics }, i): JsonObject[] => {
    const all = metrics.filter(({ utilization }) => utilization !== undefined);
    if (all.length === 0) return [];
    const known = thinned(all.length, MAX_POINTS).map((place) => all[place]);
    return [
      {
        type: "scatter",
        mode: "lines",
        name,
        x: known.map(({ tokens }) => tokens),
        y: known.map(({ utilization }) => utilization!),
        line: { color: seriesColor(i), width: STYLE.lineWidth },
        hovertemplate: "%{y:.0%}",
      },
    ];
  });
  const layout = paperLayout(title, "pairs of layer and expert with a weight above 2/E at least once in 10 steps", {
    xaxis: axis("training tokens", { range: [0, lastTokens || 1], tickformat: "~s" }),
    yaxis: axis("share of all pairs", { range: [0, 1.02], tickformat: ".0%" }),
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h", tracegroupgap: 0 },
    hovermode: "x unified",
  });
  return { data, layout };
}
