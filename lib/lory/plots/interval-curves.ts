import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** A mean with its interval at one place of the horizontal axis. */
export interface IntervalPoint {
  readonly x: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface IntervalCurve {
  readonly name: string;
  readonly points: readonly IntervalPoint[];
}

export interface IntervalCurvesOptions {
  readonly title: string;
  /** Small print below the title: what the intervals are. */
  readonly note: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Whether equal factors of x are equally far apart, each point being marked; default false. */
  readonly isLogarithmic?: boolean;
}

/** Means as lines with their intervals as bars, against a number: such as what a model gains from the future against its segments' length. */
export function intervalCurves(curves: readonly IntervalCurve[], options: IntervalCurvesOptions): Figure {
  const { title, note, xTitle, yTitle, isLogarithmic = false } = options;
  const places = [...new Set(curves.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const data = curves.map(({ name, points }, i): JsonObject => {
    const sorted = [...points].sort((a, b) => a.x - b.x);
    return {
      type: "scatter",
      mode: "lines+markers",
      name,
      x: sorted.map(({ x }) => x),
      y: sorted.map(({ mean }) => mean),
      error_y: {
        type: "data",
        symmetric: false,
        array: sorted.map(({ mean, high }) => high - mean),
        arrayminus: sorted.map(({ mean, low }) => mean - low),
        color: seriesColor(i),
        thickness: 1.2,
        width: 4,
      },
      line: { color: seriesColor(i), width: STYLE.lineWidth },
      marker: { color: seriesColor(i), size: 6 },
      hovertemplate: `${name}: %{y:.3f}<extra></extra>`,
    };
  });
  const ticks: JsonObject = isLogarithmic ? { type: "log", tickvals: places, ticktext: places.map(String) } : {};
  const layout = paperLayout(title, note, {
    xaxis: axis(xTitle, ticks),
    yaxis: axis(yTitle, { rangemode: "tozero", zeroline: true, zerolinecolor: STYLE.mutedInk }),
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "top" },
    hovermode: "x unified",
  });
  return { data, layout };
}
