import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** Numbers by segment behind a prompt, under a name. */
export interface SegmentSeries {
  readonly name: string;
  /** From the first segment behind the prompt on. */
  readonly values: readonly number[];
}

/**
 * The loss of prompt-only routing minus that of routing segment by segment, by segment behind the prompt: each domain (or seed) thin, their mean thick. Above zero,
 * a routing decision that is made once has grown old.
 *
 * @throws RangeError if there is no domain, or if the domains differ in segments
 */
export function routingGap(
  domains: readonly SegmentSeries[],
  title = "Prompt-only routing against re-routing",
  each = "a domain",
): Figure {
  const segments = sameLength(domains);
  const mean = segments.map((_, i) => domains.reduce((sum, { values }) => sum + values[i], 0) / domains.length);
  const thin = domains.map(({ name, values }): JsonObject => ({
    ...line(name, segments, values, STYLE.mutedInk, 1),
    opacity: 0.45,
    showlegend: false,
  }));
  const layout = paperLayout(title, `loss of the one minus loss of the other; thin: ${each}, thick: their mean`, {
    xaxis: axis("segment behind the prompt", { dtick: 1 }),
    yaxis: axis("difference (nats per token)", { zeroline: true, zerolinecolor: STYLE.mutedInk }),
    showlegend: false,
  });
  return { data: [...thin, line("mean", segments, mean, seriesColor(0), 2 * STYLE.lineWidth)], layout };
}

/** How far routing has moved, of one kind of text. */
export interface DriftSeries {
  readonly name: string;
  /** Mean total variation distance from the weights at the prompt's end, by segment behind it. */
  readonly fromPrompt: readonly number[];
  /** From the weights of the segment before. */
  readonly fromBefore: readonly number[];
}

/** How routing moves through texts: solid, away from the weights at the prompt's end; dotted, from one segment to the next. */
export function driftLines(texts: readonly DriftSeries[], title = "Routing through a text"): Figure {
  const data = texts.flatMap(({ name, fromPrompt, fromBefore }, i): JsonObject[] => {
    const numbers = (values: readonly number[]): number[] => values.map((_, segment) => segment + 1);
    const color = seriesColor(i);
    const dotted = line(`${name}, from the segment before`, numbers(fromBefore), fromBefore, color, 1.4);
    return [
      line(`${name}, from the prompt's end`, numbers(fromPrompt), fromPrompt, color, STYLE.lineWidth),
      { ...dotted, line: { color, width: 1.4, dash: "dot" } },
    ];
  });
  const layout = paperLayout(title, "total variation distance of routing weights, mean over texts and layers", {
    xaxis: axis("segment behind the prompt", { dtick: 1 }),
    yaxis: axis("distance (0 to 1)", { rangemode: "tozero" }),
    legend: { x: 0, y: -0.22, xanchor: "left", yanchor: "top", orientation: "h" },
    height: 430,
    margin: { l: 62, r: 18, t: 78, b: 110 },
  });
  return { data, layout };
}

/** A model that keeps some of its experts for a prompt. */
export interface SparsePoint {
  /** Experts of each layer that are kept. */
  readonly count: number;
  readonly renormalize: boolean;
  readonly lossNats: number;
  readonly weightBytes: number;
}

/**
 * Held-out loss against the weights that a prompt needs on the device, with some or all of the experts kept; a dense model beside it as a point of its own.
 *
 * @throws RangeError if there is no point
 */
export function qualityAgainstMemory(
  points: readonly SparsePoint[],
  dense?: { readonly lossNats: number; readonly weightBytes: number },
  title = "From soft to sparse",
): Figure {
  if (points.length === 0) throw new RangeError("there are no points to draw: keep one expert at least");
  const soft = points.reduce((most, point) => (point.count > most.count ? point : most));
  const sizes = points.map(({ weightBytes }) => weightBytes);
  const unit = Math.max(...sizes) >= 2e9 ? { name: "GB", bytes: 1e9 } : { name: "MB", bytes: 1e6 };
  const curve = (name: string, renormalize: boolean, color: string): JsonObject => {
    const own = points.filter((point) => point.renormalize === renormalize && point.count < soft.count);
    const all = [...own, soft].sort((a, b) => a.count - b.count);
    return {
      type: "scatter",
      mode: "lines+markers+text",
      name,
      x: all.map(({ weightBytes }) => weightBytes / unit.bytes),
      y: all.map(({ lossNats }) => lossNats),
      text: all.map(({ count }) => String(count)),
      textposition: renormalize ? "bottom center" : "top center",
      textfont: { size: STYLE.smallFontSize, color },
      line: { color, width: STYLE.lineWidth },
      marker: { color, size: 7 },
      cliponaxis: false,
      hovertemplate: `%{text} experts: %{y:.3f} nats, %{x:.1f} ${unit.name}<extra></extra>`,
    };
  };
  const data = [
    curve("weights renormalized", true, seriesColor(0)),
    curve("weights as they were", false, seriesColor(1)),
  ];
  if (dense !== undefined) {
    data.push({
      type: "scatter",
      mode: "markers",
      name: "dense model",
      x: [dense.weightBytes / unit.bytes],
      y: [dense.lossNats],
      marker: { color: STYLE.ink, size: 9, symbol: "diamond" },
      hovertemplate: `dense: %{y:.3f} nats, %{x:.1f} ${unit.name}<extra></extra>`,
    });
  }
  const layout = paperLayout(title, "numbers: experts of each layer that a prompt keeps", {
    xaxis: axis(`weights that a prompt needs (${unit.name}, f32)`),
    yaxis: axis("loss behind the prompt (nats per token)"),
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h" },
  });
  return { data, layout };
}

function line(name: string, x: readonly number[], y: readonly number[], color: string, width: number): JsonObject {
  return {
    type: "scatter",
    mode: "lines+markers",
    name,
    x,
    y,
    line: { color, width },
    marker: { color, size: 3 + width },
    hovertemplate: `${name}, segment %{x}: %{y:.4f}<extra></extra>`,
  };
}

/** The numbers of the segments that all series have, from 1. */
function sameLength(series: readonly SegmentSeries[]): number[] {
  const [first] = series;
  if (first === undefined) throw new RangeError("there are no domains to draw: give one at least");
  const other = series.find(({ values }) => values.length !== first.values.length);
  if (other !== undefined) {
    throw new RangeError(
      `${other.name} has ${other.values.length} segments, ${first.name} ${first.values.length}: they must have as many`,
    );
  }
  return first.values.map((_, i) => i + 1);
}
