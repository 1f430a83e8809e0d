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
