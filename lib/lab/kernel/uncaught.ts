/** Errors that nobody catches. Node would end the process; in a notebook the cell that they come from fails. */
import { isInterrupt } from "./errors";

export interface Failure {
  readonly error: unknown;
}

export interface UncaughtOptions {
  /** Whether a failure that comes after the end of its cell also fails the next one. */
  readonly headless: boolean;
  /** Whether a cell runs. */
  readonly running: () => boolean;
  /** Ends the cell that runs with an error. */
  readonly fail: (error: unknown) => void;
  readonly print: (title: string, error: unknown) => void;
}

export class Uncaught {
  #options: UncaughtOptions;
  /** Rejections of the cell that runs, until something handles them. */
  #rejections = new Map<Promise<unknown>, Failure>();
  #late: Failure | undefined;

  constructor(options: UncaughtOptions) {
    this.#options = options;
  }

  /** For Node's `uncaughtException`: something threw outside of any promise, in a timer or a listener. */
  exception(error: unknown): void {
    if (isInterrupt(error)) return;
    if (this.#options.running()) this.#options.fail(error);
    else this.#after("Uncaught after the end of the cell:", error);
  }

  /** For Node's `unhandledRejection`. It may still be handled while the cell runs. */
  rejection(error: unknown, promise: Promise<unknown>): void {
    if (isInterrupt(error)) return;
    if (this.#options.running()) this.#rejections.set(promise, { error });
    else this.#after("Unhandled rejection after the end of the cell:", error);
  }

  /** For Node's `rejectionHandled`. */
  handled(promise: Promise<unknown>): void {
    this.#rejections.delete(promise);
  }

  /** At the end of a cell: the first of its rejections that nobody has handled. */
  async settle(): Promise<Failure | undefined> {
    // Node reports a rejection after the microtasks of the turn in which it came.
    await new Promise((resolve) => setImmediate(resolve));
    const [first] = this.#rejections.values();
    this.#rejections.clear();
    return first;
  }

  /** In a headless run, what failed since the last cell ended; told once. */
  takeLate(): Failure | undefined {
    const late = this.#late;
    this.#late = undefined;
    return late;
  }

  #after(title: string, error: unknown): void {
    this.#options.print(title, error);
    if (this.#options.headless) this.#late ??= { error };
  }
}
