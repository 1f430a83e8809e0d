import type { Figure, JsonObject } from "./figure";
import { centredMean, thinned } from "./smoothing";
import { axis, note, paperLayout, seriesColor, STYLE } from "./style";

/** One training step on a loss curve. */
export interface LossPoint {
  /** Training tokens seen up to and with this step. */
  readonly tokens: number;
  /** Mean next-token cross entropy of the step's batch, in nats a token. */
  readonly lossNats: number;
}

/** A model's loss over its training. */
export interface LossCurve {
  readonly name: string;
  readonly metrics: readonly LossPoint[];
}

export interface LossCurvesOptions {
  readonly title?: string;
  /** Points in the centred mean that is drawn; default: a fiftieth of the longest curve, at least 1. */
  readonly smoothing?: number;
  /** Name of the curve that the others are compared with: adds a panel with their loss minus its loss on the same batch. */
  readonly baseline?: string;
  /** Levels to draw as dotted lines, such as the entropy of the unigram distribution. */
  readonly references?: readonly { readonly name: string; readonly lossNats: number }[];
  /** Points drawn of each curve at most; default 300, one for two pixels of its width. The mean is taken before. */
  readonly maxPoints?: number;
  /** Axis of tokens ends here; default: where the longest curve ends. Keeps a live figure still. */
  readonly maxTokens?: number;
}

/**
 * Training loss against training tokens for several runs (the paper's Fig. 2 left; with `baseline` also Fig. 4 right).
 * The raw loss is drawn faintly behind its centred mean; the figure says how wide the mean is.
 *
 * @throws RangeError if `baseline` names no curve
 */
export function lossCurves(curves: readonly LossCurve[], options: LossCurvesOptions = {}): Figure {
  const longest = Math.max(0, ...curves.map(({ metrics }) => metrics.length));
  const { title = "Training loss", smoothing = Math.max(1, 2 * Math.floor(longest / 100) + 1) } = options;
  const { baseline, references = [], maxPoints = 300 } = options;
  const lastTokens = options.maxTokens ?? Math.max(0, ...curves.flatMap(({ metrics }) => metrics.at(-1)?.tokens ?? []));
  const range = [0, lastTokens || 1];
  const smoothed = smoothing > 1 ? `thick: centred mean over ${smoothing} steps; thin: every step` : "every step";

  const data: JsonObject[] = curves.flatMap(({ name, metrics }, i) =>
    curveTraces(name, metrics, i, smoothing, maxPoints),
  );
  for (const { name, lossNats } of references) data.push(referenceTrace(name, lossNats, range));

  const gaps = baseline === undefined ? [] : gapTraces(curves, baseline, smoothing, maxPoints);
  data.push(...gaps);
  const lossDomain = gaps.length ? [0.4, 1] : [0, 1];
  const layout = paperLayout(title, smoothed, {
    height: gaps.length ? Math.round(STYLE.height * 1.4) : STYLE.height,
    xaxis: axis("training tokens", { range, tickformat: "~s", anchor: gaps.length ? "y2" : "y" }),
    yaxis: axis("loss (nats per token)", { domain: lossDomain }),
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h", tracegroupgap: 0 },
    hovermode: "x unified",
  });
  if (!gaps.length) return { data, layout };
  return {
    data,
    layout: {
      ...layout,
      yaxis2: axis("difference (nats)", { domain: [0, 0.26], zeroline: true, zerolinecolor: STYLE.mutedInk }),
      annotations: [
        note(`loss minus that of ${baseline} on the same batch`, 0, 0.28, {
          xanchor: "left",
          font: { size: STYLE.smallFontSize, color: STYLE.mutedInk },
        }),
      ],
    },
  };
}

function curveTraces(name: string, metrics: readonly LossPoint[], index: number, smoothing: number, maxPoints: number) {
  const color = seriesColor(index);
  const losses = metrics.map(({ lossNats }) => lossNats);
  const kept = thinned(metrics.length, maxPoints);
  const x = kept.map((i) => metrics[i].tokens);
  const raw: JsonObject = {
    type: "scatter",
    mode: "lines",
    name: `${name}, every step`,
    x,
    y: kept.map((i) => losses[i]),
    line: { color, width: 1 },
    opacity: 0.25,
    showlegend: false,
    hoverinfo: "skip",
    legendgroup: name,
  };
  const mean = centredMean(losses, smoothing);
  const smooth: JsonObject = {
    type: "scatter",
    mode: "lines",
    name,
    x,
    y: kept.map((i) => mean[i]),
    legendgroup: name,
    line: { color, width: STYLE.lineWidth },
    hovertemplate: "%{y:.3f}",
  };
  return smoothing > 1 ? [raw, smooth] : [smooth];
}

function referenceTrace(name: string, lossNats: number, range: readonly number[]): JsonObject {
  return {
    type: "scatter",
    mode: "lines",
    name,
    x: range,
    y: [lossNats, lossNats],
    hovertemplate: "%{y:.3f}",
    line: { color: STYLE.mutedInk, width: 1.2, dash: "dot" },
  };
}

/** Loss minus the baseline's, step by step where both have seen the same number of tokens, then smoothed. */
function gapTraces(curves: readonly LossCurve[], baseline: string, smoothing: number, maxPoints: number): JsonObject[] {
  const base = curves.find(({ name }) => name === baseline);
  if (!base) {
    throw new RangeError(
      `baseline is "${baseline}", but the curves are ${curves.map(({ name }) => `"${name}"`).join(", ")}`,
    );
  }
  const baseLoss = new Map(base.metrics.map(({ tokens, lossNats }) => [tokens, lossNats]));
  return curves.flatMap(({ name, metrics }, i): JsonObject[] => {
    if (name === baseline) return [];
    const shared = metrics.flatMap(({ tokens, lossNats }) => {
      const other = baseLoss.get(tokens);
      return other === undefined ? [] : [{ tokens, gap: lossNats - other }];
    });
    const mean = centredMean(
      shared.map(({ gap }) => gap),
      smoothing,
    );
    const kept = thinned(shared.length, maxPoints);
    return [
      {
        type: "scatter",
        mode: "lines",
        name: `${name} minus ${baseline}`,
        xaxis: "x",
        yaxis: "y2",
        showlegend: false,
        x: kept.map((k) => shared[k].tokens),
        y: kept.map((k) => mean[k]),
        legendgroup: name,
        line: { color: seriesColor(i), width: STYLE.lineWidth },
        hovertemplate: "%{y:+.3f}",
      },
    ];
  });
}
