/** How one cell is stopped: a signal that the library watches, and awaits of the cell's own code that are cut. */

/** What the awaits of an interrupted cell are rejected with, and the reason of its signal. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor(message = "The cell was interrupted.") {
    super(message);
    this.stack = `${this.name}: ${message}`;
  }
}

/** Where a cell awaited what then failed, as `cell-3:7` (script, line). Stacks of asynchronous code often end before the cell. */
export const awaitedAt = new WeakMap<object, string>();

/** How long a library that watches the signal may take to end the step in flight before its cell is cut off from it. */
export const STEP_MS = 15_000;

type Items<T> = AsyncIterable<T> | Iterable<T>;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    (typeof value === "object" || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

async function* awaitEach<T>(items: Iterable<T>): AsyncGenerator<Awaited<T>> {
  for (const item of items) yield await item;
}

function iterate<T>(items: Items<T>): AsyncIterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : (awaitEach(items) as AsyncIterator<T>);
}

/** The guard of one run of one cell. Compiled cells pass everything that they await through it. */
export class CellGuard {
  /** Ends one await each. */
  #cuts = new Set<() => void>();
  #controller = new AbortController();
  #onTaken: () => void;
  #taken = false;
  #timer: NodeJS.Timeout | undefined;

  /** `onTaken` is called when the library first asks for the signal: it promises to end the step in flight by itself. */
  constructor(onTaken: () => void = () => undefined) {
    this.#onTaken = onTaken;
  }

  get interrupted(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Why the cell is stopped, once it is. */
  get #reason(): Interrupted {
    return this.#controller.signal.reason as Interrupted;
  }

  /** The signal that the library watches. */
  get signal(): AbortSignal {
    if (!this.#taken) {
      this.#taken = true;
      this.#onTaken();
    }
    return this.#controller.signal;
  }

  /** `awaited`, unless the cell is interrupted first. `place` is where the cell awaits it. */
  value(awaited: unknown, place: string): unknown {
    if (this.interrupted) throw this.#reason;
    if (!isThenable(awaited)) return awaited;
    return this.#wait(awaited, place);
  }

  async #wait(awaited: PromiseLike<unknown>, place: string): Promise<unknown> {
    let cut: (() => void) | undefined;
    const interruption = new Promise<never>((_, reject) => {
      cut = () => reject(this.#reason);
      this.#cuts.add(cut);
    });
    try {
      const value = await Promise.race([awaited, interruption]);
      if (this.interrupted) throw this.#reason;
      return value;
    } catch (error) {
      if (typeof error === "object" && error !== null) awaitedAt.set(error, place);
      throw error;
    } finally {
      if (cut !== undefined) this.#cuts.delete(cut);
    }
  }

  /** What a `for await` of the cell iterates over: `items` until the cell is interrupted, and then closed. */
  items<T>(items: Items<T>, place: string): AsyncIterable<T> {
    const inner = iterate(items);
    const close = async (value?: unknown): Promise<IteratorResult<T>> =>
      (await inner.return?.(value)) ?? { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          try {
            return (await this.value(inner.next(), place)) as IteratorResult<T>;
          } catch (error) {
            // A generator runs its `finally` after the step in flight; what that throws has nobody left to tell.
            if (this.interrupted) close().catch(() => undefined);
            throw error;
          }
        },
        return: close,
      }),
    };
  }

  /**
   * Aborts the signal. Where the library has taken it, what the cell awaits may still end by itself for `STEP_MS`;
   * otherwise, and at the second interrupt, the awaits are cut at once. Returns whether they were.
   */
  interrupt(reason: Interrupted = new Interrupted()): boolean {
    const again = this.interrupted;
    this.#controller.abort(reason);
    if (again || !this.#taken) {
      this.cut();
      return true;
    }
    this.#timer = setTimeout(() => this.cut(), STEP_MS).unref();
    return false;
  }

  /** Rejects whatever the cell still awaits, with the reason of the interrupt. */
  cut(): void {
    clearTimeout(this.#timer);
    for (const cut of this.#cuts) cut();
  }
}
