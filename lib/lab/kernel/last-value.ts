/** How the value that ends a cell is shown. */
import { createRequire } from "node:module";
import util from "node:util";
import type * as notebook from "lory/notebook";
import type { FrameLike } from "lory/notebook";
import { portable, type MimeBundle } from "./display";

/** A value that knows how to show itself has a method under this symbol; it returns a bundle, or a promise of one. */
const DISPLAY = Symbol.for("Jupyter.display");

/** What plotly draws. */
interface Figure {
  readonly data: readonly unknown[];
  readonly layout: { readonly title?: { readonly text?: unknown } };
}

/**
 * The value in the formats that a front end can show: by its own display method; figures, frames and tensors, which have none,
 * as what they are; all else as Node prints it. Rejects where the value's own method fails.
 */
export async function bundleOf(value: unknown): Promise<MimeBundle> {
  const own = await displayMethod(value)?.();
  if (typeof own === "object" && own !== null) return portable(own as MimeBundle);
  if (isFigure(value)) return figureBundle(value);
  if (isFrame(value)) return frameBundle(value);
  if (isTensor(value)) return { "text/plain": value.toString(true) };
  return {
    "text/plain": util.inspect(value, { colors: false, depth: 4, maxArrayLength: 50, maxStringLength: 10_000 }),
  };
}

function displayMethod(value: unknown): (() => unknown) | undefined {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  const method = (value as { [DISPLAY]?: unknown })[DISPLAY];
  return typeof method === "function" ? (method.bind(value) as () => unknown) : undefined;
}

/** Whether `value` is an object of nothing but traces, a layout and how to show them. */
function isFigure(value: unknown): value is Figure {
  if (typeof value !== "object" || value === null) return false;
  const { data, layout } = value as Partial<Figure>;
  const known = Object.keys(value).every((key) => ["data", "layout", "config", "frames"].includes(key));
  return known && Array.isArray(data) && typeof layout === "object";
}

function figureBundle(figure: Figure): MimeBundle {
  const { text } = figure.layout.title ?? {};
  const title = typeof text === "string" ? text.replace(/<br>[^]*|<[^>]*>/g, "") : "untitled";
  return { "application/vnd.plotly.v1+json": figure, "text/plain": `[figure: ${title}]` };
}

/** Whether `value` is a data frame or series of danfojs, whichever of its classes made it. */
function isFrame(value: unknown): value is FrameLike {
  return typeof value === "object" && value !== null && "$isSeries" in value && "$columns" in value;
}

/** The library's table of a frame; the library is loaded when the first is shown. */
function frameBundle(frame: FrameLike): MimeBundle {
  const { frameTable } = createRequire(__filename)("lory/notebook") as typeof notebook;
  const { html, markdown, text } = frameTable(frame);
  return { "text/html": html, "text/markdown": markdown, "text/plain": text };
}

interface Tensor {
  readonly isDisposed: boolean;
  /** With its values, type and shape. */
  toString(verbose: boolean): string;
}

/** Whether `value` is a tensor of TensorFlow.js whose values can be read. */
function isTensor(value: unknown): value is Tensor {
  if (typeof value !== "object" || value === null || !("dataId" in value && "dtype" in value)) return false;
  return (value as Partial<Tensor>).isDisposed === false;
}
