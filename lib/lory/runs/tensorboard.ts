import fs from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { resultsFolder } from "../data/project-folder";
import { METRICS } from "../train/metrics";
import { readRecord, runFiles, type RunFiles } from "../train/run-directory";
import { scalarsRecord, versionRecord, type Scalar } from "./event-file";
import { LineTail } from "./line-tail";
import { foldersIn } from "./recorded";

export interface TensorBoardOptions {
  /** Where run directories lie; default: `runs` in the results. */
  readonly runsDir?: string;
  /** Where the event files go, a folder for each run; default: `tensorboard` in the results. */
  readonly logDir?: string;
  /** Goes on with what running trainings add, looking every so many milliseconds, until the signal is aborted. Without it, what is there is written once. */
  readonly followEveryMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes what all runs have recorded, their evaluations included, as event files of TensorBoard, under the names that `METRICS` gives; numbers by layer
 * are `<name>/<layer>`, counted among those with experts from 0. Their time is that of training: what compiling and saving took is not in it.
 *
 *     tensorboard --logdir results/tensorboard
 *
 * @returns the folder, and the runs in it
 */
export async function writeTensorBoard(
  options: TensorBoardOptions = {},
): Promise<{ readonly logDir: string; readonly runs: readonly string[] }> {
  const { runsDir = path.join(resultsFolder(), "runs"), logDir = path.join(resultsFolder(), "tensorboard") } = options;
  const { followEveryMs, signal } = options;
  const writers = new Map<string, EventWriter>();
  for (;;) {
    for (const id of await foldersIn(runsDir)) {
      const writer = writers.get(id) ?? (await openWriter(runFiles(path.join(runsDir, id)), path.join(logDir, id)));
      if (writer === undefined) continue;
      writers.set(id, writer);
      await writer.update();
    }
    if (followEveryMs === undefined || signal?.aborted) return { logDir, runs: [...writers.keys()].sort() };
    await wait(followEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Undefined for what is no run. */
async function openWriter(files: RunFiles, folder: string): Promise<EventWriter | undefined> {
  let startedAt: string | undefined;
  try {
    startedAt = (await readRecord(files)).sessions.at(0)?.startedAt;
  } catch {
    return undefined;
  }
  const startSeconds = startedAt === undefined ? 0 : Date.parse(startedAt) / 1000;
  const file = path.join(folder, `events.out.tfevents.${Math.floor(startSeconds)}.lory`);
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(file, versionRecord(startSeconds));
  return new EventWriter(files, file, startSeconds);
}

/** The event file of one run. */
class EventWriter {
  readonly #file: string;
  readonly #tails: readonly { readonly lines: LineTail; lastStep: number }[];
  #seconds: number;
  #tokens = 0;

  constructor(files: RunFiles, file: string, startSeconds: number) {
    this.#file = file;
    this.#tails = [files.metrics, files.evaluations].map((each) => ({ lines: new LineTail(each), lastStep: 0 }));
    this.#seconds = startSeconds;
  }

  /** Appends what has been recorded since the last time. */
  async update(): Promise<void> {
    const records: Buffer[] = [];
    for (const tail of this.#tails) {
      for (const line of await tail.lines.next()) {
        const values = JSON.parse(line) as Readonly<Record<string, unknown>>;
        const step = values[METRICS.step.name] as number;
        if (step <= tail.lastStep) continue;
        tail.lastStep = step;
        records.push(scalarsRecord(this.#timeOf(values), step, scalarsOf(values)));
      }
    }
    if (records.length > 0) await fs.appendFile(this.#file, Buffer.concat(records));
  }

  /** The time of training until this step, as far as its speed is known. */
  #timeOf(values: Readonly<Record<string, unknown>>): number {
    const [tokens, speed] = [values[METRICS.tokens.name], values[METRICS.tokensPerSecond.name]];
    if (typeof tokens === "number" && typeof speed === "number") {
      this.#seconds += Math.max(0, tokens - this.#tokens) / speed;
      this.#tokens = tokens;
    }
    return this.#seconds;
  }
}

/** All that is a number in a line, or several. */
function scalarsOf(values: Readonly<Record<string, unknown>>): Scalar[] {
  return Object.entries(values).flatMap(([name, value]): Scalar[] => {
    if (name === METRICS.step.name) return [];
    if (typeof value === "number") return [[name, value]];
    if (!Array.isArray(value)) return [];
    return value.map((entry: number, i): Scalar => [`${name}/${String(i).padStart(2, "0")}`, entry]);
  });
}
