/** Compiles and executes cells with tslab, and says what came of them. */
import path from "node:path";
import { MessageChannel } from "node:worker_threads";
import { createExecutor, type Executor } from "tslab/dist/executor.js";
import { Compiler } from "./compiler";
import { describe, describeDiagnostics, isInterrupt, red, type ErrorContent } from "./errors";
import { Interrupted } from "./interrupt";
import type { Library } from "./library";
import { installStackTraces } from "./stack-traces";

/** What a cell came to: its last value, which may be none, or what went wrong. */
export type Outcome = { readonly value: unknown } | { readonly error: ErrorContent };

/** V8's code for a script that a SIGINT ended. */
const INTERRUPTED_CODE = "ERR_SCRIPT_EXECUTION_INTERRUPTED";

export interface RunnerOptions {
  readonly root: string;
  readonly library: Library;
  /** Told to the reader before the cell's own output. */
  readonly onNote: (note: string) => void;
  /** Called between the compilation of a cell and its execution. */
  readonly onExecute: () => void;
}

export class Runner {
  readonly compiler: Compiler;
  #executor: Executor;
  #options: RunnerOptions;
  #value: unknown;
  #thrown: { readonly error: unknown } | undefined;
  #abandon: ((reason: unknown) => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.compiler = new Compiler(options.onExecute);
    const { compiler } = this;
    const converters = {
      node: compiler,
      get browser(): never {
        throw new Error("This kernel runs cells in Node; it has no browser cells.");
      },
      close: () => compiler.close(),
    };
    this.#executor = createExecutor(process.cwd(), converters, {
      log: (value: unknown) => (this.#value = value),
      error: (error: unknown) => (this.#thrown ??= { error }),
    });
    installStackTraces({
      scripts: compiler.scripts,
      root: options.root,
      built: options.library.builtFolders,
      hidden: [__dirname + path.sep, path.dirname(require.resolve("tslab/dist/executor.js")) + path.sep],
    });
  }

  /** Runs `code` as the cell named `cell`. Its failure is an outcome; nothing is thrown. */
  async run(cell: string, code: string): Promise<Outcome> {
    this.#value = undefined;
    this.#thrown = undefined;
    try {
      const state = this.#options.library.refreshFor(code);
      for (const note of state.notes) this.#options.onNote(note);
      this.compiler.prepare(cell, state.created, state.reloaded);
      if (state.error !== undefined) return { error: state.error };
      const succeeded = await this.#execute(code);
      if (this.compiler.diagnostics.length > 0) {
        return { error: describeDiagnostics(this.compiler.diagnostics, code) };
      }
      if (succeeded) return { value: this.#value };
      return { error: this.describe(this.#problem()) };
    } catch (error) {
      return { error: this.describe(error) };
    } finally {
      this.#abandon = undefined;
    }
  }

  describe(error: unknown): ErrorContent {
    if (!isInterrupt(error)) return describe(error, this.compiler.scripts);
    const message = error instanceof Interrupted ? error.message : new Interrupted().message;
    return { ename: "Interrupted", evalue: message, traceback: [`${red("Interrupted:")} ${message}`] };
  }

  /** Ends the wait for the cell that runs. Its code is left to itself. */
  abandon(reason: unknown): void {
    this.#abandon?.(reason);
  }

  complete(code: string, position: number): ReturnType<Executor["complete"]> {
    return this.#executor.complete(code, position);
  }

  inspect(code: string, position: number): ReturnType<Executor["inspect"]> | undefined {
    return this.#executor.inspect(code, position);
  }

  /**
   * The cell starts in an event of its own: where its JavaScript is ended in the middle, all that waits in the same event is
   * lost, and the kernel must not be. A message's event is one that Node leaves behind in order; a timer's is not.
   */
  #execute(code: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#abandon = reject;
      const { port1, port2 } = new MessageChannel();
      port1.once("message", () => {
        port1.close();
        this.#executor.execute(code).then(resolve, reject);
      });
      port2.postMessage("start");
    });
  }

  #problem(): unknown {
    const error = this.#thrown?.error;
    const interrupted = (error as { code?: unknown } | null | undefined)?.code === INTERRUPTED_CODE;
    return interrupted ? new Interrupted("The cell was stopped while it computed.") : error;
  }
}
