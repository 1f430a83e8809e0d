import fs from "node:fs/promises";
import path from "node:path";
import { resultsFolder } from "../data/project-folder";
import { runConfig, type RunConfig, type RunConfigInput, type RunSummary, type StepMetrics } from "../train";
import { configJson } from "../train/config-json";
import { isMissing } from "../train/durable-file";
import { readMetrics } from "../train/metrics-log";
import { finishedSummary, runFiles } from "../train/run-directory";

/** What a run that is done has left, to be looked at and drawn. */
export interface RecordedRun {
  /** The name of its directory. */
  readonly id: string;
  readonly config: RunConfig;
  readonly metrics: readonly StepMetrics[];
  readonly summary: RunSummary;
}

/**
 * The record of a run of this configuration that is done, whichever version of the library and of the corpus trained it, with its weights or without;
 * undefined if there is none. Of several, the one that was done last. To train and go on with runs there is `openRun`, which takes those of this
 * code and corpus alone.
 *
 * @param options.runsDir where run directories lie, `runs` of the folder of results by default
 */
export async function recordedRun(
  input: RunConfigInput,
  { runsDir = path.join(resultsFolder(), "runs") }: { readonly runsDir?: string } = {},
): Promise<RecordedRun | undefined> {
  const config = runConfig(input);
  const wanted = configJson(config);
  const found: RecordedRun[] = [];
  for (const id of await foldersIn(runsDir)) {
    if (!id.startsWith(`${config.name}-`)) continue;
    const files = runFiles(path.join(runsDir, id));
    const summary = await finishedSummary(files, false);
    if (summary === undefined || (await fs.readFile(files.config, "utf8")) !== wanted) continue;
    found.push({ id, config, metrics: await readMetrics(files.metrics), summary });
  }
  return found.sort((a, b) => b.summary.finishedAt.localeCompare(a.summary.finishedAt))[0];
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
