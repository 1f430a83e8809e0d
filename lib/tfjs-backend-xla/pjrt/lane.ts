/**
 * Runs at most `width` tasks at a time, in the order in which they were asked for.
 *
 * A native call on a worker thread holds one of the few threads that Node also reads files with, so the number of
 * calls that wait there is bounded.
 */
export class Lane {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(private readonly width: number) {}

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running === this.width) await new Promise<void>((start) => this.#waiting.push(start));
    else this.#running++;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
