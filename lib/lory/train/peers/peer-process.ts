import { LineProcess } from "../../testing/line-process";

/** What a peer says of itself when it is ready. */
export interface PeerReady {
  /** With its version. */
  readonly name: string;
  /** What compiling the step took, if that is known before the first one. */
  readonly compileSeconds?: number;
}

/** What a peer measured: milliseconds of each step, and the losses. */
export interface PeerSteps {
  readonly ms: readonly number[];
  readonly losses: readonly number[];
  /** The most memory that the device had in use until now, where it counts that. */
  readonly peakBytes?: number | null;
}

/** A peer that runs steps when told to, so that it and the library can take turns. */
export class PeerProcess {
  readonly #process: LineProcess;

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.#process = new LineProcess(command, args, environment);
  }

  /** Waits until it can run steps. */
  ready(): Promise<PeerReady> {
    return this.#process.next();
  }

  steps(count: number): Promise<PeerSteps> {
    return this.#process.ask(count);
  }

  /** Waits until the peer has gone, and its memory with it. */
  end(): Promise<void> {
    return this.#process.end();
  }
}
