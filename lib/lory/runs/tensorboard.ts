import fs from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { resultsFolder } from "../data/project-folder";
import { EventLog, inOrder, type RecordedValues } from "../train/event-log";
import { METRICS } from "../train/metrics";
import { readRecord, runFiles, type RunFiles } from "../train/run-directory";
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
 * Writes what all runs have recorded, their evaluations included, as event files of TensorBoard (see `EventLog`), under the names that `METRICS`
 * gives: for runs that were trained without one, or whose records came without it. Files that are there are gone on with.
 *
 *     tensorboard --logdir results/tensorboard
 *
 * @returns the folder, and the runs in it
 * @throws Error for the folder of the runs themselves
 */
export async function writeTensorBoard(
  options: TensorBoardOptions = {},
): Promise<{ readonly logDir: string; readonly runs: readonly string[] }> {
  const { runsDir = path.join(resultsFolder(), "runs"), logDir = path.join(resultsFolder(), "tensorboard") } = options;
  const { followEveryMs, signal } = options;
  if (path.resolve(runsDir) === path.resolve(logDir)) {
    throw new Error(`logDir is ${logDir}, where the runs lie: trainings write event files there themselves`);
  }
  const writers = new Map<string, EventWriter>();
  try {
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
  } finally {
    for (const writer of writers.values()) await writer.close();
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
  await fs.mkdir(folder, { recursive: true });
  return new EventWriter(files, await EventLog.open(folder, startedAt ?? new Date(0).toISOString()));
}

/** Writes what one run records as it is recorded. */
class EventWriter {
  readonly #log: EventLog;
  readonly #steps: LineTail;
  readonly #evaluations: LineTail;

  constructor(files: RunFiles, log: EventLog) {
    this.#log = log;
    this.#steps = new LineTail(files.metrics);
    this.#evaluations = new LineTail(files.evaluations);
  }

  /** Appends what has been recorded since the last time. */
  async update(): Promise<void> {
    const [steps, evaluations] = [await valuesIn(this.#steps), await valuesIn(this.#evaluations)];
    const last = steps.at(-1)?.[METRICS.step.name];
    // Read from the beginning, at first or after the training went back: what lies behind the last step is not the run's.
    if (typeof last === "number") await this.#log.keepUntil(last);
    await this.#log.append(inOrder(steps, evaluations));
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}

async function valuesIn(tail: LineTail): Promise<RecordedValues[]> {
  return (await tail.next()).map((line) => JSON.parse(line) as RecordedValues);
}
