import fs from "node:fs/promises";
import path from "node:path";
import { builtCorpusHash } from "../data/corpus";
import { resultsFolder } from "../data/project-folder";
import { runConfig, type RunConfig, type RunConfigInput, type RunSummary, type StepMetrics } from "../train";
import { codeHash } from "../train/code-hash";
import { configJson } from "../train/config-json";
import { isMissing } from "../train/durable-file";
import { readMetrics } from "../train/metrics-log";
import { finishedSummary, readRecord, runFiles } from "../train/run-directory";

/** What a run that is done has left, to be looked at and drawn. */
export interface RecordedRun {
  /** The name of its directory. */
  readonly id: string;
  readonly config: RunConfig;
  readonly metrics: readonly StepMetrics[];
  readonly summary: RunSummary;
  readonly dir: string;
  readonly corpusHash: string;
  readonly codeHash: string;
  /** What it was trained with that is not what is here, in a sentence; empty if it is all the same. */
  readonly note: string;
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
    const dir = path.join(runsDir, id);
    const files = runFiles(dir);
    const summary = await finishedSummary(files, false);
    if (summary === undefined) continue;
    const record = await readRecord(files);
    // Keys that the library did not have then are at their defaults.
    if (configJson(record.config) !== wanted) continue;
    const note = await originNote(id, config.corpus, record);
    const { corpusHash } = record;
    found.push({
      id,
      dir,
      config,
      metrics: await readMetrics(files.metrics),
      summary,
      corpusHash,
      codeHash: record.codeHash,
      note,
    });
  }
  return found.sort((a, b) => b.summary.finishedAt.localeCompare(a.summary.finishedAt))[0];
}

/** Of a run's code and corpus: what is not that of this library and of the corpus as it is built here. */
async function originNote(
  id: string,
  corpus: string,
  record: Pick<RecordedRun, "corpusHash" | "codeHash">,
): Promise<string> {
  const built = builtCorpusHash(corpus);
  const differences = [
    ...(record.codeHash === (await codeHash()) ? [] : ["by another version of the code"]),
    ...(built === record.corpusHash
      ? []
      : [built === undefined ? "on a corpus that is not built here" : "on another content of the corpus"]),
  ];
  return differences.length === 0 ? "" : `Run ${id} was trained ${differences.join(" and ")}.`;
}

/** Names in a folder; none if there is no folder. */
export async function foldersIn(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
