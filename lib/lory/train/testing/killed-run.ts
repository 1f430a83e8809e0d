/**
 * A training that kills itself, as `kill -9` does, at a given moment: `killed-run.ts MOMENT`, where MOMENT is JSON. Moments are counted in operations on
 * files and steps that were seen, so that a kill falls between any two of them, or into the middle of a write. It says on its standard output
 * which checkpoints are whole.
 */
import { writeSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import "tfjs-backend-xla";
import { checkpointStep } from "../checkpoint-folders";
import { openRun } from "../run";
import type { RunConfigInput } from "../run-config";
import type { OpenRunOptions } from "../run-options";

/** When a training is to die. */
export interface Moment {
  readonly config: RunConfigInput;
  readonly options: OpenRunOptions;
  /** At which operation; beyond the last one it lives to its end. */
  readonly operation: number;
  /** How much of the operation is done before: for a write the share of its bytes, for others all or nothing. */
  readonly share: number;
}

/** Those of the module and of open files that change what is on the disk, or wait for it. */
const OPERATIONS = ["open", "mkdir", "rename", "rm", "link", "writeFile", "readdir"] as const;
const HANDLE_OPERATIONS = ["write", "writeFile", "appendFile", "sync", "truncate", "close"] as const;

async function main({ config, options, operation, share }: Moment): Promise<void> {
  let count = 0;
  const die = (): void => void process.kill(process.pid, "SIGKILL");
  const isLast = (): boolean => ++count === operation;

  type Operation = (this: unknown, ...args: unknown[]) => Promise<unknown>;
  const dying = (original: Operation, after?: (...args: unknown[]) => void): Operation =>
    async function (this: unknown, ...args) {
      if (!isLast()) {
        const result = await original.apply(this, args);
        after?.(...args);
        return result;
      }
      const [data] = args;
      if (original.name === "write" && data instanceof Uint8Array) {
        await original.call(this, data.subarray(0, Math.floor(share * data.length)));
      } else if (share >= 0.5) await original.apply(this, args);
      return die();
    };
  const sayWhole = (_from: unknown, to: unknown): void => {
    const step = checkpointStep(String(to));
    if (!Number.isNaN(step)) writeSync(1, `${step}\n`);
  };

  await tf.setBackend("xla");
  const handle = await fs.open(__filename);
  const prototype = Object.getPrototypeOf(handle) as object;
  await handle.close();
  for (const name of HANDLE_OPERATIONS) {
    Object.assign(prototype, { [name]: dying(Reflect.get(prototype, name) as Operation) });
  }
  for (const name of OPERATIONS) {
    Object.assign(fs, { [name]: dying(Reflect.get(fs, name) as Operation, name === "rename" ? sayWhole : undefined) });
  }
  const run = await openRun(config, options);
  for await (const { step } of run.train()) if (step > 0 && isLast()) die();
  writeSync(1, `done ${path.basename(run.dir)}\n`);
}

void main(JSON.parse(process.argv[2]) as Moment);
