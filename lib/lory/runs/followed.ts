import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { resultsFolder } from "../data/project-folder";
import type { RunConfig, StepMetrics } from "../train";
import { parseMetricsLine } from "../train/metrics";
import { finishedSummary, readRecord, runFiles } from "../train/run-directory";
import { isRunLocked } from "../train/run-lock";
import { LineTail } from "./line-tail";

/** A run that another process trains, or has trained, to be looked at: `watch` shows it. */
export interface FollowedRun {
  /** The name of its directory. */
  readonly id: string;
  readonly config: RunConfig;
  /**
   * Yields the steps that are recorded, then those that are added, each once, until the run is done, or no process trains it any more, or the signal
   * is aborted.
   */
  follow(options?: { readonly signal?: AbortSignal }): AsyncGenerator<StepMetrics, void, undefined>;
}

export interface FollowOptions {
  /** Where run directories lie; default: `runs` in the checkout's `results`, or in the folder that LORY_RESULTS names. */
  readonly runsDir?: string;
  /** How often its directory is looked at; default 1000. */
  readonly everyMs?: number;
}

/**
 * Opens the directory of a run that is trained elsewhere: by another notebook, the command line, or another machine with the same disk.
 *
 *     await watch({ "8 experts": await followRun("quickstart-8e-a2305a4e") });
 *
 * @param idOrDir the name of a run directory, or its path
 * @throws Error if it is no run's
 */
export async function followRun(idOrDir: string, options: FollowOptions = {}): Promise<FollowedRun> {
  const { runsDir = path.join(resultsFolder(), "runs"), everyMs = 1000 } = options;
  const dir = idOrDir === path.basename(idOrDir) ? path.join(runsDir, idOrDir) : path.resolve(idOrDir);
  const files = runFiles(dir);
  const { config } = await readRecord(files);
  return {
    id: path.basename(dir),
    config,
    async *follow({ signal } = {}) {
      const tail = new LineTail(files.metrics);
      let last = 0;
      for (;;) {
        // Asked before the lines are read: none comes after the answer.
        const isOver = (await finishedSummary(files, false)) !== undefined || !(await isRunLocked(files.lock));
        for (const line of await tail.next()) {
          const metrics = parseMetricsLine(line);
          // A training that went on from its last checkpoint repeats steps, with the same numbers.
          if (metrics.step <= last) continue;
          last = metrics.step;
          yield metrics;
        }
        if (isOver || signal?.aborted) return;
        await wait(everyMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
