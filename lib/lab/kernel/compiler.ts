/** Compiles cells: tslab's converter, on the project's TypeScript, with what stack traces and interrupts need. */
import fs from "node:fs";
import path from "node:path";
import { createConverter, isCompleteCode } from "tslab/dist/converter.js";
import type { CompletionInfo, Converter, ConvertResult, Diagnostic } from "tslab/dist/converter.js";
import ts from "typescript";
import { guardAwaits } from "./await-guards";
import { CELL_OUTPUT, installHooks } from "./compiler-hooks";
import { expandShorthands } from "./shorthand-properties";
import { chainMaps, type PositionMap } from "./source-positions";
import { WatchedFiles } from "./watched-files";

/** tslab puts one line before what it compiles from memory: cells and `@module` cells. */
const LINES_BEFORE_CELL = 1;

/** A script that stack traces can name: a cell, or a TypeScript file that a cell imports. */
export interface Script {
  /** How the reader knows it: `cell-3`, or the path of the file. */
  readonly label: string;
  source(): string;
  readonly position: PositionMap;
  /** Lines of the compiled script; tslab's own code follows. */
  readonly compiledLines: number;
}

export type QuickInfo = ReturnType<Converter["inspect"]>;

/**
 * A converter for tslab's executor. Unlike tslab's own it keeps the declarations of a cell that failed while running, so that
 * what the cell had defined by then stays usable.
 */
export class Compiler implements Converter {
  /** By the name that their frames carry. */
  readonly scripts = new Map<string, Script>();
  /** What was wrong with the code compiled last. */
  diagnostics: readonly Diagnostic[] = [];

  #folder: string;
  /** tslab's names for the cell and for what earlier cells have declared; neither file exists. */
  #cellFile: string;
  #declarationFile: string;
  #converter: Converter;
  #declarations = "";
  #cell = "cell-0";
  #cellPosition: PositionMap = () => undefined;
  #modules = new Map<string, string>();
  #watched = new WatchedFiles();
  #runPostponed: () => void;
  #onCompiled: () => void;

  /** A compiler for cells whose imports are relative to the working directory. `onCompiled` is called before a cell is run. */
  constructor(onCompiled: () => void = () => undefined) {
    this.#folder = process.cwd();
    this.#cellFile = path.join(this.#folder, "__tslab__.ts");
    this.#declarationFile = path.join(this.#folder, "__prev__.d.ts");
    this.#onCompiled = onCompiled;
    this.#runPostponed = installHooks({
      system: this.#watched.systemFor(ts.sys),
      rewrites: (program) => [
        expandShorthands(program.getTypeChecker(), (file) => file === this.#declarationFile),
        guardAwaits({
          place: (file, line) => this.#place(file, line),
          cell: (file) => (file === this.#cellFile ? this.#cell : undefined),
        }),
      ],
      compiled: (file, maps) => this.#compiled(file, maps),
    });
    this.#converter = createConverter({ isJS: false, isBrowser: false });
  }

  /** Takes in what has changed on disk and names the cell that is compiled next. `reload` also reloads imported files. */
  prepare(cell: string, created: readonly string[], reload: boolean): void {
    this.#cell = cell;
    this.diagnostics = [];
    const isOwn = (file: string): boolean => file.startsWith(this.#folder + path.sep) && /(?<!\.d)\.tsx?$/.test(file);
    const changed = this.#watched.pull(created);
    // A changed file is seen by the files that import it only when those are loaded anew as well.
    if (reload || changed.some(isOwn)) this.#watched.touch(isOwn);
    this.#runPostponed();
  }

  convert(_declarations: string, source: string): ConvertResult {
    const result = this.#converter.convert(this.#declarations, source);
    this.diagnostics = result.diagnostics;
    if (result.diagnostics.length > 0) return result;
    this.#declarations = result.declOutput ?? "";
    this.#onCompiled();
    if (result.output === undefined) return result;
    const compiledLines = result.output.split("\n").length;
    this.scripts.set(this.#cell, {
      label: this.#cell,
      source: () => source,
      position: this.#cellPosition,
      compiledLines,
    });
    const code = result.output.replace(/^\/\/# sourceMappingURL=.*$/m, "");
    // Every cell runs as an async function, with or without an await.
    return { ...result, output: `${code}\n//# sourceURL=${this.#cell}`, hasToplevelAwait: true };
  }

  inspect(_declarations: string, source: string, position: number): QuickInfo {
    return this.#converter.inspect(this.#declarations, source, position);
  }

  complete(_declarations: string, source: string, position: number): CompletionInfo {
    return this.#converter.complete(this.#declarations, source, position);
  }

  addModule(...args: Parameters<Converter["addModule"]>): Diagnostic[] {
    const [name, content] = args;
    this.#modules.set(path.join(this.#folder, `${name}.ts`), content);
    const diagnostics = this.#converter.addModule(...args);
    this.diagnostics = diagnostics;
    return diagnostics;
  }

  close(): void {
    this.#converter.close();
  }

  #place(file: string, line: number): string {
    if (file === this.#cellFile) return `${this.#cell}:${line + 1 - LINES_BEFORE_CELL}`;
    const added = this.#modules.has(file) ? LINES_BEFORE_CELL : 0;
    return `${path.join(path.dirname(file), path.parse(file).name)}.js:${line + 1 - added}`;
  }

  #compiled(output: string, maps: readonly string[]): void {
    if (output.endsWith(CELL_OUTPUT)) {
      this.#cellPosition = chainMaps(maps, LINES_BEFORE_CELL);
      return;
    }
    // tslab names outputs after a folder that does not exist; an imported file runs under its own path, as JavaScript.
    const script = path.join(this.#folder, output.slice(output.indexOf("/") + 1));
    const file = script.replace(/\.js$/, ".ts");
    const inMemory = this.#modules.get(file);
    this.scripts.set(script, {
      label: path.relative(this.#folder, file),
      source: () => inMemory ?? fs.readFileSync(file, "utf8"),
      position: chainMaps(maps, inMemory === undefined ? 0 : LINES_BEFORE_CELL),
      compiledLines: Infinity,
    });
  }
}

export { isCompleteCode };
