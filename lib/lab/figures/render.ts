import fs from "node:fs";
import path from "node:path";
import { figureTitle, STYLE, type Figure } from "lory/plots";
import { type Browser, launchBrowser } from "./browser";
import { packagedFonts } from "./chromium";
import { indexedPng } from "./indexed-png";
import { PAGE_SCRIPT, pageMarkup } from "./page";

/** What a figure can be written as. PDF and SVG are vector graphics; JSON is plotly's own, for interactive use. */
export const FIGURE_FORMATS = ["pdf", "svg", "png", "json"] as const;
export type FigureFormat = (typeof FIGURE_FORMATS)[number];

export interface RenderOptions {
  /** CSS pixels; default: the figure's own size, else the house style's. */
  readonly width?: number;
  readonly height?: number;
  /** Pixels of a PNG to one CSS pixel; default 2. */
  readonly scale?: number;
}

/** A browser that draws nothing for this long is closed. */
const IDLE_MS = 30_000;

/** The browser of this process, with plotly and the fonts loaded. */
let session: Promise<Browser> | undefined;
let idle: NodeJS.Timeout | undefined;
/** Drawings use the one page in turn. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * The bytes of `figure` in `format`. Equal figures give equal bytes on the same browser.
 *
 * @throws BrowserError if no browser runs here (not for "json", which needs none)
 */
export function renderFigure(figure: Figure, format: FigureFormat, options: RenderOptions = {}): Promise<Buffer> {
  if (format === "json") return Promise.resolve(Buffer.from(`${JSON.stringify(figure)}\n`));
  const drawing = queue.then(async () => {
    clearTimeout(idle);
    const browser = await (session ??= openSession());
    try {
      return await draw(browser, figure, format, options);
    } catch (error) {
      await closeBrowser();
      throw error;
    } finally {
      idle = setTimeout(() => void closeBrowser(), IDLE_MS).unref();
    }
  });
  queue = drawing.catch(() => undefined);
  return drawing;
}

/** Closes the browser that figures are drawn with, if there is one; the next figure starts another. */
export async function closeBrowser(): Promise<void> {
  const closing = session;
  session = undefined;
  clearTimeout(idle);
  (await closing?.catch(() => undefined))?.close();
}

async function openSession(): Promise<Browser> {
  try {
    const browser = await launchBrowser();
    await browser.send("Page.enable");
    const { frameTree } = (await browser.send("Page.getFrameTree")) as { frameTree: { frame: { id: string } } };
    await browser.send("Page.setDocumentContent", { frameId: frameTree.frame.id, html: pageMarkup(await fontFaces()) });
    await evaluate(browser, fs.readFileSync(require.resolve("plotly.js-dist-min"), "utf8"));
    await evaluate(browser, PAGE_SCRIPT);
    return browser;
  } catch (error) {
    session = undefined;
    throw error;
  }
}

async function draw(
  browser: Browser,
  figure: Figure,
  format: "pdf" | "svg" | "png",
  options: RenderOptions,
): Promise<Buffer> {
  const size = figureSize(figure, options);
  const image = {
    ...size,
    format: format === "png" ? "png" : "svg",
    scale: format === "png" ? (options.scale ?? 2) : 1,
  };
  const sized = { data: figure.data, layout: { ...figure.layout, ...size } };
  const drawn = (await evaluate(browser, `draw(${JSON.stringify(sized)}, ${JSON.stringify(image)})`)) as string;
  if (format === "png") return indexedPng(Buffer.from(drawn.slice(drawn.indexOf(",") + 1), "base64"));
  return format === "svg" ? Buffer.from(`${drawn}\n`) : print(browser, drawn, figureTitle(figure), size);
}

/** Prints an SVG as a one-page vector PDF of its own size. */
async function print(
  browser: Browser,
  svg: string,
  title: string,
  size: { width: number; height: number },
): Promise<Buffer> {
  await evaluate(browser, `lay(${JSON.stringify(svg)}, ${JSON.stringify(title)}, ${JSON.stringify(size)})`);
  const { data } = (await browser.send("Page.printToPDF", {
    paperWidth: size.width / 96,
    paperHeight: size.height / 96,
    ...{ marginTop: 0, marginBottom: 0, marginLeft: 0, marginRight: 0 },
    preferCSSPageSize: true,
    printBackground: true,
    generateTaggedPDF: false,
    pageRanges: "1",
  })) as { data: string };
  // The date of printing is the one thing that differs from one time to the next; of equal length, so that the file's index holds.
  const dated = Buffer.from(data, "base64").toString("latin1");
  const epoch = "D:19700101000000+00'00'";
  return Buffer.from(
    dated.replace(/(\/(?:CreationDate|ModDate) \()(D:\d{14}[+-]\d\d'\d\d')\)/g, `$1${epoch})`),
    "latin1",
  );
}

async function fontFaces() {
  const folder = await packagedFonts();
  const face = (file: string, descriptors: string) => ({
    descriptors,
    base64: fs.readFileSync(path.join(folder, file)).toString("base64"),
  });
  return [
    face("OpenSans-Regular.ttf", "font-weight:400"),
    face("OpenSans-Bold.ttf", "font-weight:700"),
    face("OpenSans-Italic.ttf", "font-style:italic"),
  ];
}

/** The value of a script's last expression in the page, awaited if it is a promise. */
async function evaluate(browser: Browser, expression: string): Promise<unknown> {
  const { result, exceptionDetails } = (await browser.send("Runtime.evaluate", {
    expression,
    awaitPromise: true,
    returnByValue: true,
  })) as {
    result: { value?: unknown };
    exceptionDetails?: { text: string; exception?: { description?: string } };
  };
  if (exceptionDetails) {
    throw new Error(
      `plotly could not draw the figure: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`,
    );
  }
  return result.value;
}

/** How large a figure is drawn, in CSS pixels. */
export function figureSize(figure: Figure, { width, height }: RenderOptions): { width: number; height: number } {
  const own = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);
  return {
    width: width ?? own(figure.layout.width, STYLE.width),
    height: height ?? own(figure.layout.height, STYLE.height),
  };
}
