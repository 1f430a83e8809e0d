/** From positions in JavaScript back to TypeScript, by source maps. Lines and columns count from 1, as in stack traces. */
import fs from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import path from "node:path";

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface FilePosition extends Position {
  readonly file: string;
}

/** Where a position of the generated code comes from, or undefined where the map has no answer. */
export type PositionMap = (line: number, column: number) => Position | undefined;

const parse = (json: string): SourceMap => new SourceMap(JSON.parse(json) as SourceMapPayload);

function originalOf(map: SourceMap, line: number, column: number): FilePosition | undefined {
  // Node answers with an empty object where it finds nothing; its types do not say so.
  const entry: Partial<ReturnType<SourceMap["findEntry"]>> = map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry) || entry.originalLine === undefined) return undefined;
  return { file: entry.originalSource ?? "", line: entry.originalLine + 1, column: (entry.originalColumn ?? 0) + 1 };
}

/** A map through several steps of compilation, the last step first. `addedLines` stand before the source proper. */
export function chainMaps(mapTexts: readonly string[], addedLines: number): PositionMap {
  let maps: SourceMap[] | undefined; // read when first asked: few cells fail
  return (line, column) => {
    maps ??= mapTexts.map(parse);
    let found: Position = { line, column };
    for (const map of maps) {
      const next = originalOf(map, found.line, found.column);
      if (next === undefined) return undefined;
      found = next;
    }
    return { line: found.line - addedLines, column: found.column };
  };
}

const builtMaps = new Map<string, { readonly stamp: number | undefined; readonly map: SourceMap | undefined }>();

/** The map in `file`, or undefined where there is none, or only the part of one that a compiler is writing just now. */
function readMap(file: string): SourceMap | undefined {
  try {
    return parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function mapBeside(file: string): SourceMap | undefined {
  const stamp = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  const known = builtMaps.get(file);
  if (known !== undefined && known.stamp === stamp) return known.map;
  const map = readMap(`${file}.map`);
  builtMaps.set(file, { stamp, map });
  return map;
}

/** Where a position of a built `.js` file comes from, by the `.js.map` beside it. */
export function builtPosition(file: string, line: number, column: number): FilePosition | undefined {
  const map = mapBeside(file);
  const found = map && originalOf(map, line, column);
  return found && { ...found, file: path.resolve(path.dirname(file), found.file) };
}
