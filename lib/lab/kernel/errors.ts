/** Errors as Jupyter shows them: name, message and a traceback in terms of cells and TypeScript sources. */
import fs from "node:fs";
import util from "node:util";
import type { Diagnostic } from "tslab/dist/converter.js";
import type { Script } from "./compiler";
import { awaitedAt, Interrupted } from "./interrupt";

/** The content of Jupyter's `error` message. */
export interface ErrorContent {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

type Scripts = ReadonlyMap<string, Script>;

const MAX_DIAGNOSTICS = 20;
/** Columns of a source line that are shown. */
const EXCERPT_COLUMNS = 88;

export const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`;

/** The part of a long line that starts at `from`, so that a front end need not wrap it. */
function clip(text: string, from: number): string {
  const end = from + EXCERPT_COLUMNS;
  return `${from > 0 ? "…" : ""}${text.slice(from > 0 ? from + 1 : 0, end)}${text.length > end ? "…" : ""}`;
}

/** The lines around a position, with a caret under its column. */
function excerpt(source: string, line: number, column: number | undefined, around: number): string[] {
  const lines = source.split("\n");
  const from = Math.max(0, (column ?? 1) - EXCERPT_COLUMNS + EXCERPT_COLUMNS / 4);
  const shown: string[] = [];
  for (let n = Math.max(1, line - around); n <= Math.min(lines.length, line + around); n++) {
    const label = String(n).padStart(4);
    const text = clip(lines[n - 1], from);
    shown.push(n === line ? `${red(`>${label} |`)} ${text}` : dim(` ${label} | ${text}`));
    if (n === line && column !== undefined) shown.push(" ".repeat(8 + column - 1 - from) + red("^"));
  }
  return shown;
}

interface Place {
  readonly script: Script;
  readonly line: number;
  readonly column?: number;
}

/** The topmost frame of `stack` that lies in a cell or a file beside it, else where a cell awaited what failed. */
function placeOf(error: object, stack: string, scripts: Scripts): Place | undefined {
  const byLabel = new Map([...scripts.values()].map((script) => [script.label, script]));
  for (const [, label, line, column] of stack.matchAll(/(?:\(|at (?:async )?)([^\s():]+):(\d+):(\d+)\)?$/gm)) {
    const script = byLabel.get(label);
    if (script !== undefined) return { script, line: Number(line), column: Number(column) };
  }
  const awaited = /^(.*):(\d+)$/.exec(awaitedAt.get(error) ?? "");
  const script = awaited === null ? undefined : scripts.get(awaited[1]);
  return script && awaited !== null ? { script, line: Number(awaited[2]) } : undefined;
}

const isError = (value: unknown): value is Error => value instanceof Error || util.types.isNativeError(value);

/** Whether `error` only says that the cell was interrupted. */
export const isInterrupt = (error: unknown): boolean =>
  error instanceof Interrupted || (isError(error) && error.name === "AbortError");

/** What a cell threw, as Jupyter shows it; `error` may be any value. Errors that it contains or was caused by follow it. */
export function describe(error: unknown, scripts: Scripts, seen: ReadonlySet<unknown> = new Set()): ErrorContent {
  if (!isError(error)) {
    const text = util.inspect(error);
    return { ename: "Thrown", evalue: text, traceback: [`${red("Thrown value:")} ${text}`] };
  }
  const stack = typeof error.stack === "string" ? error.stack : String(error);
  const framesAt = stack.search(/\n {4}(?:at|…) /);
  const traceback = [red(framesAt < 0 ? stack : stack.slice(0, framesAt))];
  const place = placeOf(error, stack, scripts);
  if (place !== undefined) {
    traceback.push(dim(place.script.label), ...excerpt(place.script.source(), place.line, place.column, 1));
  }
  if (framesAt >= 0)
    traceback.push(
      ...stack
        .slice(framesAt + 1)
        .split("\n")
        .map(dim),
    );
  const outer = new Set([...seen, error]);
  const inner = (error as Partial<AggregateError>).errors;
  for (const part of Array.isArray(inner) ? (inner as unknown[]) : []) {
    if (!outer.has(part)) traceback.push("", ...describe(part, scripts, outer).traceback);
  }
  if (error.cause !== undefined && !outer.has(error.cause)) {
    traceback.push("", "caused by", ...describe(error.cause, scripts, outer).traceback);
  }
  return { ename: error.name, evalue: error.message, traceback };
}

/** What the compiler found wrong with a cell, or with a file beside the notebook that it imports. */
export function describeDiagnostics(diagnostics: readonly Diagnostic[], cellSource: string): ErrorContent {
  const traceback: string[] = [];
  let last = "";
  for (const { code, fileName, messageText, start } of diagnostics.slice(0, MAX_DIAGNOSTICS)) {
    const line = start.line + 1;
    const column = start.character + 1;
    const place = `${fileName ?? "cell"}:${line}:${column}`;
    if (place === last) {
      traceback.push(`    ${messageText}`); // the next link of the compiler's explanation
      continue;
    }
    last = place;
    traceback.push(`${red(`TS${code}:`)} ${messageText}`);
    if (fileName !== undefined) traceback.push(dim(`    at ${place}`));
    const source =
      fileName === undefined ? cellSource : fs.existsSync(fileName) ? fs.readFileSync(fileName, "utf8") : "";
    if (source !== "") traceback.push(...excerpt(source, line, column, 0));
  }
  const more = diagnostics.length - MAX_DIAGNOSTICS;
  if (more > 0) traceback.push(dim(`and ${more} more`));
  const [first] = diagnostics;
  return { ename: "TypeScriptError", evalue: `${first.messageText} (line ${first.start.line + 1})`, traceback };
}
