/** Stack traces in terms of cells and TypeScript sources. */
import path from "node:path";
import type { Script } from "./compiler";
import { builtPosition, type FilePosition } from "./source-positions";

const MAX_FRAMES = 20;
const INSTALLED = `${path.sep}node_modules${path.sep}`;

export interface TraceOptions {
  /** Cells and the files that they import, by the name that their frames carry. */
  readonly scripts: ReadonlyMap<string, Script>;
  /** Folder that paths are shown relative to. */
  readonly root: string;
  /** Folders of built JavaScript with source maps. */
  readonly built: readonly string[];
  /** Folders whose frames are the kernel's own and say nothing to the reader. */
  readonly hidden: readonly string[];
}

/** V8 prints call sites itself; Node's types do not say so. */
interface Site extends NodeJS.CallSite {
  toString(): string;
}

/** A frame as shown. It is left out where it is undefined; of frames in installed packages only the number is shown. */
type Frame = { readonly text: string } | "installed" | undefined;

/** Makes stack traces of this process readable from now on. */
export function installStackTraces(options: TraceOptions): void {
  Error.stackTraceLimit = MAX_FRAMES;
  Error.prepareStackTrace = (error, sites) => formatTrace(error, sites, options);
}

/** What `error.stack` is: the error's own line, then a line for each frame. */
export function formatTrace(error: Error, sites: readonly Site[], options: TraceOptions): string {
  const lines: string[] = [];
  let installed = 0;
  const flush = (): void => {
    if (installed > 0) lines.push(`    … ${installed} ${installed > 1 ? "frames" : "frame"} in node_modules`);
    installed = 0;
  };
  for (const site of sites) {
    const frame = formatFrame(site, options);
    if (frame === "installed") {
      installed++;
    } else if (frame !== undefined) {
      flush();
      lines.push(`    at ${frame.text}`);
    }
  }
  flush();
  return [headline(error), ...lines].join("\n");
}

/** The error's line; an error may be anything that has a stack, and its `toString` may throw. */
function headline(error: Error): string {
  try {
    return String(error);
  } catch {
    return "Error";
  }
}

function formatFrame(site: Site, { scripts, root, built, hidden }: TraceOptions): Frame {
  const file = site.getScriptNameOrSourceURL() ?? site.getFileName() ?? "";
  if (/^node:(vm|internal\/)/.test(file) || hidden.some((folder) => file.startsWith(folder))) return undefined;
  if (file.includes(INSTALLED)) return "installed";
  const line = site.getLineNumber() ?? 0;
  const column = site.getColumnNumber() ?? 0;
  let original: FilePosition | undefined;
  const script = scripts.get(file);
  if (script !== undefined) {
    const found = script.position(line, column);
    if (found === undefined || line > script.compiledLines) return undefined; // what tslab puts around a cell
    original = { file: script.label, ...found };
  } else if (built.some((folder) => file.startsWith(folder))) {
    const found = builtPosition(file, line, column);
    original = found && { ...found, file: path.relative(root, found.file) };
  }
  const text = site.toString().replace(/^(async )?Object\./, "$1"); // a function of an imported module
  if (original === undefined) return { text: text.replace(root + path.sep, "") };
  const place = `${original.file}:${original.line}:${original.column}`;
  return { text: text.replace(`${file}:${line}:${column}`, place) };
}
