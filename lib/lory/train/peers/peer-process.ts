import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import readline from "node:readline";

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
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(command, args, { env: { ...process.env, ...environment } });
    this.#child.stderr.pipe(process.stderr);
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until it can run steps. */
  async ready(): Promise<PeerReady> {
    return JSON.parse(await this.#next()) as PeerReady;
  }

  async steps(count: number): Promise<PeerSteps> {
    this.#child.stdin.write(`${count}\n`);
    return JSON.parse(await this.#next()) as PeerSteps;
  }

  /** Waits until the peer has gone, and its memory with it. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin.end();
    await gone;
  }

  async #next(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done) throw new Error("the peer ended: see its messages above");
    return line.value;
  }
}
