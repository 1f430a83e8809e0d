import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** Held-out perplexity of one model in each domain. */
export interface ModelPerplexity {
  readonly name: string;
  readonly domains: readonly { readonly domain: string; readonly perplexity: number }[];
}

/**
 * Held-out perplexity by domain, one group of bars a domain and one bar a model (the paper's Fig. 2 right), from zero.
 *
 * @throws RangeError if the models were not evaluated on the same domains in the same order
 */
export function perplexityBars(models: readonly ModelPerplexity[], title = "Held-out perplexity"): Figure {
  const domains = models[0]?.domains.map(({ domain }) => domain) ?? [];
  for (const model of models) {
    const own = model.domains.map(({ domain }) => domain);
    if (own.join("\n") !== domains.join("\n")) {
      throw new RangeError(
        `${model.name} was evaluated on ${own.join(", ")}; ${models[0].name} on ${domains.join(", ")}`,
      );
    }
  }
  const data = models.map(({ name, domains: results }, i): JsonObject => ({
    type: "bar",
    name,
    x: domains,
    y: results.map(({ perplexity }) => perplexity),
    marker: { color: seriesColor(i) },
    texttemplate: "%{y:.3~r}",
    textposition: "outside",
    cliponaxis: false,
    textfont: { size: STYLE.smallFontSize },
    hovertemplate: `${name}, %{x}: %{y:.2f}<extra></extra>`,
  }));
  const layout = paperLayout(title, "lower is better", {
    xaxis: axis("", { showgrid: false, ticklen: 0 }),
    yaxis: axis("perplexity", { rangemode: "tozero" }),
    barmode: "group",
    bargap: 0.25,
    bargroupgap: 0.06,
    legend: { x: 1, y: 1, xanchor: "right", yanchor: "bottom", orientation: "h" },
  });
  return { data, layout };
}
