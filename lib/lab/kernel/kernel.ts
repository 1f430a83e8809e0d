/** The kernel: runs the cells that Jupyter sends, one after another, and sends back what comes of them. */
import { installGuard } from "./await-guards";
import { IMPATIENT_MS, type Channels, type Listener } from "./channels";
import { BRIDGE, displayContent, type KernelBridge } from "./display";
import type { ErrorContent } from "./errors";
import { History } from "./history";
import { CellGuard, Interrupted, STEP_MS } from "./interrupt";
import { bundleOf } from "./last-value";
import type { Library } from "./library";
import { Requests } from "./requests";
import { Runner } from "./runner";
import type { StreamName } from "./streams";
import { Uncaught } from "./uncaught";
import type { Message, Parent } from "./wire";

/** One run of one cell. */
interface CellRun {
  /** As it stands in brackets beside the cell. */
  readonly count: number;
  /** `cell-3`: its name in stack traces. */
  readonly name: string;
  readonly request: Parent;
  readonly guard: CellGuard;
}

interface ExecuteRequest {
  readonly code: string;
  readonly silent?: boolean;
  readonly store_history?: boolean;
  readonly stop_on_error?: boolean;
}

/** A cell whose awaits were cut is given up after this time. */
const GIVE_UP_MS = 2000;
/** A step that ends within this time needs no explanation. */
const PATIENCE_NOTE_MS = 500;
/** Requests sent before an error may arrive this much after it. */
const IN_FLIGHT_MS = 100;

export interface KernelOptions {
  readonly channels: Channels;
  readonly library: Library;
  readonly root: string;
  /** A rejection that nobody handles also fails the next cell, where it comes after the end of its own. */
  readonly headless: boolean;
  /** Ends the process. */
  readonly exit: () => void;
}

export class Kernel implements Listener {
  readonly #channels: Channels;
  readonly #runner: Runner;
  readonly #requests: Requests;
  readonly #uncaught: Uncaught;
  readonly #exit: () => void;
  readonly #history = new History();
  #queue: Promise<void> = Promise.resolve();
  #count = 0;
  #running: CellRun | undefined;
  #last: CellRun | undefined;
  /** Guards of interrupted cells, by name: what is left of their code stays stopped while other cells run. */
  readonly #stopped = new Map<string, CellGuard>();
  #failedMs = 0;
  #closing = false;

  constructor({ channels, library, root, headless, exit }: KernelOptions) {
    this.#channels = channels;
    this.#exit = exit;
    this.#runner = new Runner({
      root,
      library,
      onNote: (note) => this.write("stderr", `${note}\n`),
      onExecute: () => (channels.executingCell = this.#count),
    });
    this.#requests = new Requests(this.#runner, this.#history);
    this.#uncaught = new Uncaught({
      headless,
      running: () => this.#running !== undefined,
      fail: (error) => this.#fail(error),
      print: (title, error) =>
        this.write("stderr", `${[title, ...this.#runner.describe(error).traceback].join("\n")}\n`),
    });
    installGuard((name) => this.#stopped.get(name ?? "") ?? this.#origin()?.guard ?? new CellGuard());
    this.#installBridge();
  }

  // ---- Outputs ----------------------------------------------------------------------------------

  /** Shows text under the cell that runs or, between cells, under the last one. False where none has run yet. */
  write(name: StreamName, text: string): boolean {
    const cell = this.#origin();
    if (cell !== undefined) this.#channels.print(cell.request, name, text);
    return cell !== undefined;
  }

  /** Sends an output of the cell that runs or, between cells, of the last one. */
  publish(type: string, content: object): void {
    const cell = this.#origin();
    if (cell !== undefined) this.#channels.publish(cell.request, type, content);
  }

  #origin(): CellRun | undefined {
    return this.#running ?? this.#last;
  }

  #installBridge(): void {
    const signal = (): AbortSignal => this.#origin()?.guard.signal ?? new AbortController().signal;
    const bridge: KernelBridge = {
      get signal() {
        return signal();
      },
      show: (data, options = {}) =>
        this.publish(options.update === true ? "update_display_data" : "display_data", displayContent(data, options)),
      clear: (wait = false) => this.publish("clear_output", { wait }),
    };
    Reflect.set(globalThis, BRIDGE, bridge);
  }

  // ---- Requests ---------------------------------------------------------------------------------

  request(message: Message, receivedMs: number): void {
    const { msg_type: type } = message.header;
    if (type === "execute_request") {
      this.#queue = this.#queue.then(() => this.#execute(message, receivedMs));
      return;
    }
    this.#channels.publishStatus(message, "busy");
    try {
      const answer = this.#requests.answer(type, message.content);
      if (answer !== undefined) this.#channels.reply(message, answer.type, answer.content);
      if (type === "comm_open")
        this.#channels.publish(message, "comm_close", { comm_id: message.content.comm_id, data: {} });
    } catch (error) {
      const content = { status: "error", ...this.#runner.describe(error) };
      this.#channels.reply(message, type.replace("_request", "_reply"), content);
    } finally {
      this.#channels.publishStatus(message, "idle");
      if (this.#running !== undefined) this.#channels.publishStatus(this.#running.request, "busy");
    }
    if (type === "shutdown_request") {
      this.#channels.reply(message, "shutdown_reply", { status: "ok", restart: message.content.restart === true });
      this.shutdown();
    }
  }

  async #execute(message: Message, receivedMs: number): Promise<void> {
    const request = message.content as unknown as ExecuteRequest;
    const { code, silent = false, store_history: stored = true, stop_on_error: stop = true } = request;
    this.#channels.publishStatus(message, "busy");
    if (stop && this.#wasQueued(message, receivedMs)) {
      this.#channels.reply(message, "execute_reply", { status: "aborted" });
      this.#channels.publishStatus(message, "idle");
      return;
    }
    if (!silent) this.#count++;
    const guard = new CellGuard(() => (this.#channels.patienceMs = STEP_MS));
    const cell: CellRun = {
      count: this.#count,
      name: silent ? "silent" : `cell-${this.#count}`,
      request: message,
      guard,
    };
    this.#running = this.#last = cell;
    this.#channels.running = message;
    this.#channels.patienceMs = IMPATIENT_MS;
    if (!silent) this.#channels.publish(message, "execute_input", { code, execution_count: cell.count });
    if (!silent && stored) this.#history.add(cell.count, code);

    const error = await this.#run(cell, code, silent);
    if (cell.guard.interrupted) this.#stopped.set(cell.name, cell.guard);
    this.#running = undefined;
    this.#channels.running = undefined;
    this.#channels.executingCell = 0;
    if (error !== undefined) {
      this.#channels.publish(message, "error", error);
      if (stop) this.#failedMs = Date.now();
    }
    const outcome =
      error === undefined ? { status: "ok", payload: [], user_expressions: {} } : { status: "error", ...error };
    this.#channels.reply(message, "execute_reply", { ...outcome, execution_count: cell.count });
    this.#channels.publishStatus(message, "idle");
  }

  /** Runs the cell and shows its value. Returns what went wrong. */
  async #run(cell: CellRun, code: string, silent: boolean): Promise<ErrorContent | undefined> {
    const late = this.#uncaught.takeLate();
    if (late !== undefined) return this.#runner.describe(late.error);
    const outcome = await this.#runner.run(cell.name, code);
    if ("error" in outcome) return outcome.error;
    try {
      if (outcome.value !== undefined && !silent) {
        const data = await cell.guard.value(bundleOf(outcome.value), cell.name);
        this.#channels.publish(cell.request, "execute_result", { execution_count: cell.count, data, metadata: {} });
      }
    } catch (error) {
      return this.#runner.describe(error);
    }
    const unhandled = await this.#uncaught.settle();
    return unhandled && this.#runner.describe(unhandled.error);
  }

  /** Whether a request was sent before the last error: "Run All" stops at the first cell that fails. */
  #wasQueued({ header }: Message, receivedMs: number): boolean {
    if (receivedMs < this.#failedMs) return true;
    return receivedMs < this.#failedMs + IN_FLIGHT_MS && Date.parse(header.date) < this.#failedMs;
  }

  // ---- Interrupts and the end -------------------------------------------------------------------

  interrupt(): void {
    const cell = this.#running;
    if (cell === undefined) return;
    if (!cell.guard.interrupt()) {
      setTimeout(() => this.#noteWaiting(cell), PATIENCE_NOTE_MS).unref();
      return;
    }
    setTimeout(() => {
      if (this.#running === cell)
        this.#runner.abandon(new Interrupted("The cell was given up; its code may still run."));
    }, GIVE_UP_MS).unref();
  }

  terminated(count: number): void {
    if (this.#running?.count !== count) return;
    this.#running.guard.interrupt(); // for what the cell left running elsewhere
    this.#runner.abandon(
      new Interrupted(
        "The cell was stopped in the middle of a computation. Variables are kept; if something misbehaves from now on, restart the kernel.",
      ),
    );
  }

  shutdown(): void {
    if (this.#closing) return;
    this.#closing = true;
    void this.#channels.close().then(this.#exit);
  }

  /** What Node calls for errors that nobody has caught. */
  get uncaught(): Uncaught {
    return this.#uncaught;
  }

  #noteWaiting(cell: CellRun): void {
    if (this.#running !== cell) return;
    this.#channels.print(
      cell.request,
      "stderr",
      "Stopping when the step in flight has ended. Interrupt again to stop at once.\n",
    );
  }

  /** Ends the cell that runs, since something that it started has thrown where nobody could catch it. */
  #fail(error: unknown): void {
    this.#runner.abandon(error);
    this.#running?.guard.interrupt();
    this.#running?.guard.cut();
  }
}
