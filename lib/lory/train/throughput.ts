/** Training speed over the last steps, from the moments at which steps ended. */
export class Throughput {
  readonly #windowSteps: number;
  /** Durations of the last steps, in milliseconds. */
  readonly #laps: number[] = [];
  #lastEndMs: number | undefined;

  constructor(windowSteps = 20) {
    this.#windowSteps = windowSteps;
  }

  /** A step has ended. The first one only starts the clock, since its duration includes compiling. */
  stepEnded(nowMs: number): void {
    if (this.#lastEndMs !== undefined) {
      this.#laps.push(nowMs - this.#lastEndMs);
      if (this.#laps.length > this.#windowSteps) this.#laps.shift();
    }
    this.#lastEndMs = nowMs;
  }

  /** The device has stood still until now, for something that is not training. */
  resumed(nowMs: number): void {
    if (this.#lastEndMs !== undefined) this.#lastEndMs = nowMs;
  }

  /** Other steps follow, of other durations: what was measured is forgotten, and the first one only starts the clock. */
  restarted(): void {
    this.#laps.length = 0;
    this.#lastEndMs = undefined;
  }

  /** Milliseconds that the last step took; null until two steps have ended. */
  get lastStepMs(): number | null {
    return this.#laps.at(-1) ?? null;
  }

  /** Steps a second; null until two steps have ended. */
  get stepsPerSecond(): number | null {
    const totalMs = this.#laps.reduce((sum, lap) => sum + lap, 0);
    return totalMs > 0 ? (1000 * this.#laps.length) / totalMs : null;
  }
}
