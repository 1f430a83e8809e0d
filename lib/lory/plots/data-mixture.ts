import type { Figure, JsonObject } from "./figure";
import { axis, paperLayout, seriesColor, STYLE } from "./style";

/** Size of one domain of a corpus. */
export interface DomainSize {
  readonly name: string;
  readonly trainDocuments: number;
  readonly trainTokens: number;
  readonly heldOutDocuments: number;
  readonly heldOutTokens: number;
}

const count = new Intl.NumberFormat("en-US");

/** Training tokens of each domain of a corpus as horizontal bars, largest on top, each with its share and its documents. */
export function dataMixture(domains: readonly DomainSize[], title = "Training data by domain"): Figure {
  const ascending = [...domains].sort((a, b) => a.trainTokens - b.trainTokens);
  const total = ascending.reduce((sum, { trainTokens }) => sum + trainTokens, 0);
  const percent = (tokens: number) => `${((100 * tokens) / Math.max(1, total)).toFixed(1)} %`;
  const bars: JsonObject = {
    type: "bar",
    orientation: "h",
    name: "training tokens",
    showlegend: false,
    x: ascending.map(({ trainTokens }) => trainTokens),
    y: ascending.map(({ name }) => name),
    marker: { color: seriesColor(0) },
    textposition: "outside",
    cliponaxis: false,
    text: ascending.map((d) => `${percent(d.trainTokens)}, ${count.format(d.trainDocuments)} documents`),
    textfont: { size: STYLE.smallFontSize, color: STYLE.mutedInk },
    hovertemplate: "%{y}: %{x:,} tokens<extra></extra>",
  };
  const largest = ascending.at(-1)?.trainTokens ?? 0;
  const layout = paperLayout(title, `${count.format(total)} tokens; share and documents beside each bar`, {
    xaxis: axis("training tokens", { tickformat: "~s", range: [0, largest * 1.42 || 1] }),
    yaxis: axis("", { showgrid: false, ticklen: 0 }),
    height: 118 + 34 * Math.max(3, ascending.length),
    bargap: 0.35,
  });
  return { data: [bars], layout };
}
