import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

/** What a peer measured: milliseconds of each step, and the losses. */
export interface PeerSteps {
  readonly ms: number[];
  readonly losses: number[];
}

/** A peer that runs steps when told to, so that it and the library can take turns. */
export class PeerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, script: string, folder: string) {
    this.#child = spawn(python, [script, folder]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until the peer has compiled its step. */
  async ready(): Promise<{ readonly name: string; readonly compileMs: number }> {
    return JSON.parse(await this.#next()) as { name: string; compileMs: number };
  }

  async steps(count: number): Promise<PeerSteps> {
    this.#child.stdin.write(`${count}\n`);
    return JSON.parse(await this.#next()) as PeerSteps;
  }

  end(): void {
    this.#child.stdin.end();
  }

  async #next(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done) throw new Error("the peer ended: see its messages above");
    return line.value;
  }
}

/** A Python with the peers' packages, in `.cache/peers` of the clone; made when it is missing or the requirements have changed. */
export function peerPython(root: string): string {
  const requirements = path.join(__dirname, "requirements.txt");
  const environment = path.join(root, ".cache/peers");
  const python = path.join(environment, "bin/python");
  const stamp = path.join(environment, "requirements.sha256");
  const hash = createHash("sha256").update(fs.readFileSync(requirements)).digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === hash) return python;
  console.log("Installing the peers' packages into .cache/peers (about 400 MB)");
  fs.rmSync(environment, { recursive: true, force: true });
  for (const [command, ...args] of [
    ["python3", "-m", "venv", environment],
    [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements],
  ]) {
    if (spawnSync(command, args, { stdio: "inherit" }).status !== 0)
      throw new Error(`${command} ${args.join(" ")} failed: see above`);
  }
  fs.writeFileSync(stamp, hash);
  return python;
}
