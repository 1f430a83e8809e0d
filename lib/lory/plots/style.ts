import type { Json, JsonObject } from "./figure";

/**
 * How every figure looks, in one place. Colours are Okabe and Ito's palette (distinct under the common forms of colour
 * blindness); the sequential scale is one hue whose lightness falls evenly, so that it survives a grey printer.
 * Sizes are CSS pixels: 96 to the inch, so that 640 pixels is the text width of a one-column paper.
 */
export const STYLE = {
  font: '"Open Sans", "Helvetica Neue", Helvetica, Arial, sans-serif',
  fontSize: 13,
  smallFontSize: 11.5,
  titleFontSize: 15,
  ink: "#1f2328",
  mutedInk: "#5b6470",
  grid: "#e4e7eb",
  paper: "#ffffff",
  width: 640,
  height: 380,
  lineWidth: 2,
} as const;

/** Colours of a sequence of models, runs or experts, in the order in which they are listed. */
export const SERIES_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d"] as const;

/** Light to dark, for a quantity that starts at zero. */
export const SEQUENTIAL_SCALE = [
  [0, "#f7fafd"],
  [0.15, "#dbe8f4"],
  [0.3, "#b7d2e8"],
  [0.45, "#83b1d6"],
  [0.6, "#4c8bbf"],
  [0.8, "#1d5f9b"],
  [1, "#0b2f5e"],
] as const;

/** The colour of the `index`-th series; the sequence starts again when it is used up. */
export function seriesColor(index: number): string {
  return SERIES_COLORS[index % SERIES_COLORS.length];
}

/** A plotly axis in the house style; `overrides` win. */
export function axis(title: string, overrides: JsonObject = {}): JsonObject {
  return {
    title: { text: title, standoff: 8, font: { size: STYLE.fontSize } },
    showline: true,
    linecolor: STYLE.mutedInk,
    linewidth: 1,
    ticks: "outside",
    ticklen: 4,
    tickcolor: STYLE.mutedInk,
    gridcolor: STYLE.grid,
    zeroline: false,
    automargin: true,
    ...overrides,
  };
}

/** A plotly layout in the house style: `title`, below it in small print `note`; `overrides` win. */
export function paperLayout(title: string, note: string, overrides: JsonObject = {}): JsonObject {
  const height = typeof overrides.height === "number" ? overrides.height : STYLE.height;
  const small = `<span style="font-size:${STYLE.smallFontSize}px;color:${STYLE.mutedInk}">${note}</span>`;
  return {
    title: {
      text: note ? `${title}<br>${small}` : title,
      font: { size: STYLE.titleFontSize, color: STYLE.ink },
      x: 0,
      xref: "paper",
      xanchor: "left",
      y: 1 - 26 / height,
      yref: "container",
      yanchor: "top",
    },
    font: { family: STYLE.font, size: STYLE.fontSize, color: STYLE.ink },
    paper_bgcolor: STYLE.paper,
    plot_bgcolor: STYLE.paper,
    width: STYLE.width,
    height,
    margin: { l: 62, r: 18, t: note ? 78 : 50, b: 54 },
    hovermode: "closest",
    ...overrides,
  };
}

/** A text inside the figure, placed in fractions of its drawing area (0, 0 at the lower left). */
export function note(text: string, x: number, y: number, overrides: { readonly [key: string]: Json } = {}): JsonObject {
  return {
    text,
    x,
    y,
    xref: "paper",
    yref: "paper",
    xanchor: "center",
    yanchor: "bottom",
    showarrow: false,
    font: { size: STYLE.fontSize, color: STYLE.ink },
    ...overrides,
  };
}
