const WINDOW_MS = 10_000;

/** How fast something advances, over the last ten seconds: soon right again after a pause or a jump. */
export class Pace {
  #samples: { readonly time: number; readonly position: number }[];

  constructor(position = 0) {
    this.#samples = [{ time: Date.now(), position }];
  }

  record(position: number): void {
    const time = Date.now();
    this.#samples.push({ time, position });
    // One sample from before the window stays, so that the window is full.
    while (this.#samples.length > 2 && this.#samples[1].time <= time - WINDOW_MS) this.#samples.shift();
  }

  /** Units a second; undefined while no time has passed. */
  perSecond(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples[this.#samples.length - 1];
    return last.time > first.time ? (1000 * (last.position - first.position)) / (last.time - first.time) : undefined;
  }
}
