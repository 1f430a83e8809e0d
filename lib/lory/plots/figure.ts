/** A value that JSON can carry: what a figure may hold, so that it travels into a notebook, a file and a browser unchanged. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A part of a figure in plotly's schema (https://plotly.com/javascript/reference). */
export type JsonObject = { readonly [key: string]: Json };

/** A plotly figure: traces and layout. Pure data: two equal inputs give two equal figures. */
export interface Figure {
  readonly data: readonly JsonObject[];
  readonly layout: JsonObject;
}

/** The first line of the figure's title as plain text; empty if it has none. */
export function figureTitle(figure: Figure): string {
  const { title } = figure.layout;
  const text = typeof title === "object" && title !== null && "text" in title ? title.text : title;
  return typeof text === "string" ? text.split(/<br\s*\/?>/)[0].replace(/<[^>]*>/g, "") : "";
}

/** Digits that a figure's numbers keep: more cannot be seen, and fill notebooks. */
const DIGITS = 6;

/** The figure with numbers of six digits in its traces; whole numbers stay whole. */
export function withShortNumbers({ data, layout }: Figure): Figure {
  return { data: data.map((trace) => shortened(trace) as JsonObject), layout };
}

function shortened(value: Json): Json {
  if (typeof value === "number") return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map(shortened);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shortened(each)]));
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
