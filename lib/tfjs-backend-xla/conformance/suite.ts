import { fork } from "node:child_process";
import os from "node:os";
import { bundleSuite } from "./bundle";
import type { Outcome } from "./outcome";

/** Each holds a few hundred megabytes. */
const MAX_PROCESSES = 8;

/**
 * Runs files of tfjs-core's test suite on the backend `xla`, in one process a processor.
 * @returns what became of each case; a process that dies is a failed case of its own.
 */
export async function runSuite(files: readonly string[]): Promise<Outcome[]> {
  const program = await bundleSuite();
  const processes = Math.min(os.availableParallelism(), MAX_PROCESSES, files.length);
  const shares = Array.from({ length: processes }, (_, i) => files.filter((_, j) => j % processes === i));
  return (await Promise.all(shares.map((share) => runShare(program, share)))).flat();
}

function runShare(program: string, files: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const child = fork(program, files, { execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] }); // debug mode prints much
  const complaints: Buffer[] = [];
  child.stderr!.on("data", (data: Buffer) => complaints.push(data));
  child.on("message", (outcome) => outcomes.push(outcome as Outcome));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code !== 0) {
        const last = outcomes.at(-1);
        const messages = [
          `the process ended with ${signal ?? code}: ${Buffer.concat(complaints).toString().slice(-2000)}`,
        ];
        outcomes.push({
          file: last?.file ?? files[0],
          name: `after ${last?.name ?? "its start"}`,
          status: "failed",
          messages,
        });
      }
      resolve(outcomes);
    });
  });
}
