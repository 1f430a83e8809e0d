import path from "node:path";
import { kernel } from "lory/notebook";
import { figureTitle, withShortNumbers, type Figure, type JsonObject } from "lory/plots";
import { BrowserError } from "./browser";
import { replaceFile } from "../results/files";
import { resultsFolder } from "../results/project";
import { FIGURE_FORMATS, type FigureFormat, figureSize, renderFigure, type RenderOptions } from "./render";

export interface ExportOptions extends RenderOptions {
  /** Folder that the files go to; default: `resultsFolder("figures")`. */
  readonly dir?: string;
  /** Default: pdf, svg, png and json. */
  readonly formats?: readonly FigureFormat[];
  /** Ids of the runs that the figure is drawn from; they are kept in its JSON as `layout.meta.runs`. */
  readonly runs?: readonly string[];
  /** Whether a notebook shows the figure below the cell; default true. */
  readonly show?: boolean;
}

/**
 * Writes a figure to `<dir>/<name>.<format>` for each format, each file whole or not at all, and shows it in the
 * notebook: interactive where plotly's JSON is drawn, as a picture elsewhere and in a notebook that is opened again.
 * Where no browser runs, a notebook still shows the figure, the JSON is still written, and one line says what is missing.
 *
 * @param figure what to draw; see `lory/plots`
 * @param name file name without ending
 * @returns the paths written, in the order of `formats`
 * @throws BrowserError outside a notebook, if a format needs a browser and none runs
 */
export async function exportFigure(figure: Figure, name: string, options: ExportOptions = {}): Promise<string[]> {
  const { dir = resultsFolder("figures"), formats = FIGURE_FORMATS, runs, show = true } = options;
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new RangeError(`"${name}" is no name for a figure: use letters, digits, ".", "_" and "-"`);
  }
  const { meta, ...layout } = figure.layout;
  const recorded = runs ? { ...(isObject(meta) ? meta : {}), runs } : meta;
  const { data } = withShortNumbers(figure);
  const signed: Figure = { data, layout: recorded === undefined ? figure.layout : { ...layout, meta: recorded } };

  const bridge = show ? kernel() : undefined;
  const fileOf = (format: FigureFormat) => path.join(dir, `${name}.${format}`);
  const written = new Set<string>();
  const write = async (format: FigureFormat) => {
    const bytes = await renderFigure(signed, format, options);
    replaceFile(fileOf(format), bytes);
    written.add(fileOf(format));
    return bytes;
  };
  let png: Buffer | undefined;
  try {
    // The JSON needs no browser, so it is there even if the rest cannot be drawn.
    if (formats.includes("json")) await write("json");
    for (const format of formats) {
      if (format === "json") continue;
      const bytes = await write(format);
      if (format === "png") png = bytes;
    }
    if (bridge) png ??= await renderFigure(signed, "png", options);
  } catch (error) {
    if (!bridge || !(error instanceof BrowserError)) throw error;
    console.warn(error.message);
  }
  // The picture has more pixels than it is wide, so front ends are told how wide.
  const size = figureSize(signed, options);
  bridge?.show(
    {
      "application/vnd.plotly.v1+json": signed,
      ...(png && { "image/png": png.toString("base64") }),
      "text/plain": `[figure: ${figureTitle(figure) || name}]`,
    },
    png && { metadata: { "image/png": size } },
  );
  return formats.map(fileOf).filter((file) => written.has(file));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
