/**
 * Where the kernel takes part in tslab's compiling. tslab gives no room for it, so the functions that it calls on its
 * TypeScript are replaced on the object that it gets them from (see `shims/typescript-for-tslab`).
 */
import tslabTypeScript from "@tslab/typescript-for-tslab";
import type ts from "typescript";

/** What tslab's compiler names the JavaScript of the cell itself; files that the cell imports are named after themselves. */
export const CELL_OUTPUT = "__tslab__.js";

export interface CompilerHooks {
  /** What the compiler sees of the machine. */
  readonly system: ts.System;
  /** Rewrites the sources of cells and of the files that they import, first to last. */
  rewrites(program: ts.Program): ts.TransformerFactory<ts.SourceFile>[];
  /** Told of each compiled file with its source maps, the last step of its compilation first. */
  compiled(file: string, sourceMaps: readonly string[]): void;
}

type Host = ts.WatchCompilerHostOfFilesAndCompilerOptions<ts.EmitAndSemanticDiagnosticsBuilderProgram>;
type CreateHost = (...args: unknown[]) => Host;
type Transpile = (text: string, options: ts.TranspileOptions) => ts.TranspileOutput;

const original = {
  createHost: tslabTypeScript.createWatchCompilerHost as unknown as CreateHost,
  transpile: tslabTypeScript.transpileModule,
};

function replace(name: "sys" | "createWatchCompilerHost" | "transpileModule", value: unknown): void {
  Object.defineProperty(tslabTypeScript, name, { value, enumerable: true, configurable: true });
}

/** Makes the converters that tslab creates from now on use `hooks`. Returns what has to be called before each cell. */
export function installHooks(hooks: CompilerHooks): () => void {
  const postponed: (() => void)[] = [];
  const maps = new SourceMaps(hooks);

  replace("sys", hooks.system);
  replace("createWatchCompilerHost", (...args: unknown[]) => {
    const host = original.createHost(...args);
    postponeTimers(host, postponed);
    const createProgram = host.createProgram;
    host.createProgram = (...programArgs) => {
      const builder = createProgram(...programArgs);
      hookEmit(builder, hooks, maps);
      return builder;
    };
    return host;
  });
  replace("transpileModule", ((text, options) => {
    const output = original.transpile(text, options);
    maps.transpiled(output.sourceMapText ?? "");
    return output;
  }) satisfies Transpile);

  return () => {
    for (const callback of postponed.splice(0)) callback();
  };
}

/** Pairs the source maps of the two steps: TypeScript to modules, modules to CommonJS. */
class SourceMaps {
  #hooks: CompilerHooks;
  #typeMaps = new Map<string, string>();
  /** The file whose output tslab handles now; it takes the second step of an imported file at once, of the cell later. */
  #writing: string | undefined;

  constructor(hooks: CompilerHooks) {
    this.#hooks = hooks;
  }

  observe(write: ts.WriteFileCallback | undefined): ts.WriteFileCallback {
    return (name, text, ...rest) => {
      if (name.endsWith(".js.map")) this.#typeMaps.set(name.slice(0, -".map".length), text);
      this.#writing = name;
      write?.(name, text, ...rest);
      this.#writing = undefined;
    };
  }

  transpiled(moduleMap: string): void {
    const file = this.#writing ?? [...this.#typeMaps.keys()].find((name) => name.endsWith(CELL_OUTPUT));
    const typeMap = file === undefined ? undefined : this.#typeMaps.get(file);
    if (file !== undefined && typeMap !== undefined) this.#hooks.compiled(file, [moduleMap, typeMap]);
  }
}

/** The compiler schedules more than rebuilding; tslab has room for one timer and throws at a second. */
function postponeTimers(host: Host, postponed: (() => void)[]): void {
  const setRebuild = host.setTimeout?.bind(host);
  const clearRebuild = host.clearTimeout?.bind(host);
  host.setTimeout = (callback: (...args: unknown[]) => void, delay: number, ...rest: unknown[]): unknown => {
    if (rest[0] === "timerToUpdateProgram") return setRebuild?.(callback, delay, ...rest);
    const run = (): void => callback(...rest);
    postponed.push(run);
    return run;
  };
  host.clearTimeout = (timer: unknown): void => {
    const at = postponed.indexOf(timer as () => void);
    if (at >= 0) postponed.splice(at, 1);
    else if (typeof timer !== "function") clearRebuild?.(timer);
  };
}

function hookEmit(builder: ts.EmitAndSemanticDiagnosticsBuilderProgram, hooks: CompilerHooks, maps: SourceMaps): void {
  const emit = builder.emit.bind(builder);
  builder.emit = (file, write, token, declarationsOnly, transformers) => {
    const before = [...hooks.rewrites(builder.getProgram()), ...(transformers?.before ?? [])];
    return emit(file, maps.observe(write), token, declarationsOnly, { ...transformers, before });
  };
}
