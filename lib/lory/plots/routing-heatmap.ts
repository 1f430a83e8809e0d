import type { Figure, JsonObject } from "./figure";
import { axis, note, paperLayout, SEQUENTIAL_SCALE, STYLE } from "./style";

/** Mean routing weights of a model on text of each domain. */
export interface DomainRouting {
  readonly domains: readonly string[];
  /** What the rows of `weights` are called: the model's layers with experts, counted from 0; default: 0, 1, ... */
  readonly layers?: readonly number[];
  /** Layer by domain by expert; the weights of a layer and a domain sum to 1. */
  readonly weights: readonly (readonly (readonly number[])[])[];
}

export interface RoutingHeatmapOptions {
  readonly title?: string;
  /** Layers to draw, by their place in `weights`; default: the bottom, the middle and the top one. */
  readonly layers?: readonly number[];
}

/** The bottom, the middle and the top of `numLayers` layers, counted from 0, each named once. */
export function bottomMiddleTop(numLayers: number): number[] {
  return [...new Set([0, Math.floor((numLayers - 1) / 2), numLayers - 1])];
}

/**
 * Mean routing weight of each expert on each domain, one panel a layer, all on one colour scale from 0 (the paper's
 * Fig. 6). Cells are drawn as bars, not as a heatmap trace: those stay vector graphics in SVG and PDF.
 *
 * @throws RangeError if a layer is not there
 */
export function routingHeatmap(routing: DomainRouting, options: RoutingHeatmapOptions = {}): Figure {
  const { domains, weights } = routing;
  const { title = "Mean routing weight by domain", layers = bottomMiddleTop(weights.length) } = options;
  for (const layer of layers) {
    if (!(layer in weights))
      throw new RangeError(`layer ${layer} was asked for; layers 0 to ${weights.length - 1} are there`);
  }
  const nameOf = (layer: number): number => routing.layers?.[layer] ?? layer;
  const experts = weights[0]?.[0]?.length ?? 0;
  const largest = Math.max(...layers.flatMap((layer) => weights[layer].flat()));
  const gap = 0.03;
  const width = (1 - gap * (layers.length - 1)) / layers.length;
  const from = (panel: number) => panel * (width + gap);

  const axes = layers.map((_, panel): [string, JsonObject][] => {
    const suffix = panel === 0 ? "" : String(panel + 1);
    const plain = { showgrid: false, showline: false, ticks: "", fixedrange: false };
    const ticks = Array.from({ length: experts }, (__, e) => e).filter((e) => e % Math.ceil(experts / 8) === 0);
    return [
      [
        `xaxis${suffix}`,
        axis("expert", {
          ...plain,
          domain: [from(panel), from(panel) + width],
          anchor: `y${suffix}`,
          range: [-0.5, experts - 0.5],
          tickvals: ticks,
          ticktext: ticks.map(String),
        }),
      ],
      [
        `yaxis${suffix}`,
        axis("", {
          ...plain,
          anchor: `x${suffix}`,
          range: [domains.length - 0.5, -0.5],
          showticklabels: panel === 0,
          tickvals: domains.map((__, d) => d),
          ticktext: [...domains],
        }),
      ],
    ];
  });
  const layout = paperLayout(title, `uniform routing would give every expert ${(1 / experts).toPrecision(3)}`, {
    margin: { l: 62, r: 18, t: 92, b: 54 },
    height: 162 + 26 * Math.max(3, domains.length),
    barmode: "overlay",
    showlegend: false,
    coloraxis: {
      colorscale: SEQUENTIAL_SCALE,
      cmin: 0,
      cmax: largest,
      colorbar: {
        thickness: 12,
        outlinewidth: 0,
        tickformat: ".2~f",
        title: { text: "weight", font: { size: STYLE.fontSize } },
        len: 1.05,
      },
    },
    annotations: layers.map((layer, panel) =>
      note(`layer ${nameOf(layer)}${place(layer, weights.length)}`, from(panel) + width / 2, 1.01, {
        font: { size: STYLE.fontSize },
      }),
    ),
    ...Object.fromEntries(axes.flat()),
  });
  return { data: layers.map((layer, panel) => cells(domains, weights[layer], nameOf(layer), panel)), layout };
}

function place(layer: number, numLayers: number): string {
  if (numLayers < 2) return "";
  return layer === 0 ? " (bottom)" : layer === numLayers - 1 ? " (top)" : "";
}

/** One panel: a bar from half a row above to half a row below for each domain and expert. */
function cells(
  domains: readonly string[],
  weights_DE: readonly (readonly number[])[],
  layer: number,
  panel: number,
): JsonObject {
  const suffix = panel === 0 ? "" : String(panel + 1);
  const each = weights_DE.flatMap((row, d) => row.map((weight, e) => ({ d, e, weight })));
  const side = 0.96;
  return {
    type: "bar",
    name: `layer ${layer}`,
    xaxis: `x${suffix}`,
    yaxis: `y${suffix}`,
    x: each.map(({ e }) => e),
    y: each.map(() => side),
    base: each.map(({ d }) => d - side / 2),
    width: side,
    marker: { color: each.map(({ weight }) => weight), coloraxis: "coloraxis", line: { width: 0 } },
    customdata: each.map(({ d, weight }) => [domains[d], weight]),
    hovertemplate: `layer ${layer}, %{customdata[0]}, expert %{x}: %{customdata[1]:.3f}<extra></extra>`,
  };
}
