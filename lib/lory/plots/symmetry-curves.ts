import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** How the experts of a model come to differ. */
export interface SymmetryCurve {
  readonly name: string;
  /** Steps before the experts. */
  readonly startStep: number;
  readonly metrics: readonly {
    readonly step: number;
    /** See `expertDistance`; absent where it was not measured. */
    readonly expertDistance?: number;
    readonly routerGradNorm?: number;
  }[];
}

/**
 * How long copied experts stay equal: their relative distance (above) and the norm of their routers' gradient (below) over the steps since there are experts.
 * All axes are logarithmic, so that a distance of 0, which equal experts have before their first update, has no point.
 */
export function symmetryCurves(
  curves: readonly SymmetryCurve[],
  { title = "How experts come to differ" }: { readonly title?: string } = {},
): Figure {
  const panels = [
    { name: "expertDistance", yaxis: "y", showlegend: true },
    { name: "routerGradNorm", yaxis: "y2", showlegend: false },
  ] as const;
  const data = panels.flatMap(({ name: field, yaxis, showlegend }) =>
    curves.flatMap(({ name, metrics, startStep }, i): JsonObject[] => {
      // Where the distance is measured, so that both panels have the same steps.
      const points = metrics.flatMap((step): [number, number][] =>
        step.expertDistance !== undefined && (step[field] ?? 0) > 0 ? [[step.step - startStep, step[field]!]] : [],
      );
      if (points.length === 0) return [];
      return [
        {
          type: "scatter",
          mode: "lines+markers",
          name,
          xaxis: "x",
          yaxis,
          showlegend,
          legendgroup: name,
          x: points.map(([x]) => x),
          y: points.map(([, y]) => y),
          line: { color: seriesColor(i), width: STYLE.lineWidth },
          marker: { color: seriesColor(i), size: 4 },
          hovertemplate: "%{y:.3~g}",
        },
      ];
    }),
  );
  const powers = { type: "log", exponentformat: "power", dtick: 1 };
  const layout = paperLayout(
    title,
    "means over layers, before the step's update; 0 has no place on a logarithmic axis",
    {
      height: Math.round(STYLE.height * 1.4),
      xaxis: axis("step of the experts", { ...powers, anchor: "y2" }),
      yaxis: axis("relative distance", { ...powers, domain: [0.53, 1] }),
      yaxis2: axis("router's gradient norm", { ...powers, domain: [0, 0.45] }),
      legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h", tracegroupgap: 0 },
      hovermode: "x unified",
    },
  );
  return { data, layout };
}
