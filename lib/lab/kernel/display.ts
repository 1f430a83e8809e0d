/** What the kernel shows besides text: the value that ends a cell, and what the library shows while a cell runs. */
import util from "node:util";

/** A value in several formats, by MIME type. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** A value that knows how to show itself has a method under this symbol; it returns a bundle, or a promise of one. */
export const DISPLAY = Symbol.for("Jupyter.display");

/** Under this symbol the library finds what the kernel offers to it; outside a notebook there is nothing. */
export const BRIDGE = Symbol.for("lory.kernel");

export interface ShowOptions {
  /** Name of the output, under which it can be replaced later. */
  readonly id?: string;
  /** Replaces the outputs of that name, in whichever cells they are, instead of adding one. */
  readonly update?: boolean;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface KernelBridge {
  /** Aborted when the user interrupts the cell that runs. */
  readonly signal: AbortSignal;
  show(data: MimeBundle, options?: ShowOptions): void;
  /** Removes the cell's outputs, at once or when the next one comes. */
  clear(wait?: boolean): void;
}

/** Content of `display_data` and `update_display_data`. */
export interface DisplayContent {
  readonly data: MimeBundle;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly transient: { readonly display_id?: string };
}

/** Bytes, as images are, travel as base64. */
function portable(data: MimeBundle): MimeBundle {
  return Object.fromEntries(
    Object.entries(data).map(([type, value]) => [
      type,
      value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
    ]),
  );
}

export function displayContent(data: MimeBundle, { id, metadata = {} }: ShowOptions = {}): DisplayContent {
  return { data: portable(data), metadata, transient: id === undefined ? {} : { display_id: id } };
}

function displayMethod(value: unknown): (() => unknown) | undefined {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  const method = (value as { [DISPLAY]?: unknown })[DISPLAY];
  return typeof method === "function" ? (method.bind(value) as () => unknown) : undefined;
}

interface PlotlyFigure {
  readonly data: readonly unknown[];
  readonly layout: { readonly title?: { readonly text?: unknown } };
}

/** Whether `value` is what plotly draws: an object of nothing but traces, a layout and how to show them. */
function isFigure(value: unknown): value is PlotlyFigure {
  if (typeof value !== "object" || value === null) return false;
  const { data, layout } = value as Partial<PlotlyFigure>;
  const known = Object.keys(value).every((key) => ["data", "layout", "config", "frames"].includes(key));
  return known && Array.isArray(data) && typeof layout === "object";
}

function figureBundle(figure: PlotlyFigure): MimeBundle {
  const { text } = figure.layout.title ?? {};
  const title = typeof text === "string" ? text.replace(/<br>[^]*|<[^>]*>/g, "") : "untitled";
  return { "application/vnd.plotly.v1+json": figure, "text/plain": `[figure: ${title}]` };
}

/** How the value that ends a cell is shown. Rejects where the value's own display method does. */
export async function bundleOf(value: unknown): Promise<MimeBundle> {
  const data = await displayMethod(value)?.();
  if (typeof data === "object" && data !== null) return portable(data as MimeBundle);
  if (isFigure(value)) return figureBundle(value);
  return {
    "text/plain": util.inspect(value, { colors: false, depth: 4, maxArrayLength: 50, maxStringLength: 10_000 }),
  };
}
