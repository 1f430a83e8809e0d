import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import readline from "node:readline";

/** What a peer measured: milliseconds of each step, and the losses. */
export interface PeerSteps {
  readonly ms: readonly number[];
  readonly losses: readonly number[];
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

  /** The peer's name and version, once it is ready. */
  async ready(): Promise<string> {
    return (JSON.parse(await this.#next()) as { name: string }).name;
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
