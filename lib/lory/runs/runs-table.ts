import path from "node:path";
import type { DataFrame } from "danfojs-node";
import { resultsFolder } from "../data/project-folder";
import { configDifferences, type RunConfig, type StepMetrics } from "../train";
import { readMetrics } from "../train/metrics-log";
import { finishedSummary, readRecord, runFiles } from "../train/run-directory";
import { isRunLocked } from "../train/run-lock";
import { table, type Cell, type Row, type Table } from "../notebook/table";
import { flatConfig } from "./config-keys";
import { foldersIn } from "./recorded";

/** A run as a row: what it is, how far it is, and its configuration key by key. */
type RunRow = Readonly<Record<string, string | number | boolean | null>>;

/** The last step's metrics that a row has. */
const LAST = ["lossNats", "gradNorm", "learningRate", "tokensPerSecond", "mfuPercent", "utilization"] as const;

/**
 * All runs of a folder as a data frame of danfojs, a row a run: its directory's name, status (`done`; `training` while a process trains it; `stopped`),
 * steps, tokens, the summary's loss and speed, the last step's metrics (`last.lossNats`), where it was trained, and every key of its
 * configuration (`model.numExperts`). What a run does not have is null. Of a list JSON is given.
 *
 *     (await runs()).query(...)
 *
 * @param runsDir default: `runs` in the checkout's `results`, or in the folder that LORY_RESULTS names
 * @throws Error that names the folder if it holds no run
 */
export async function runs(runsDir = path.join(resultsFolder(), "runs")): Promise<DataFrame> {
  const rows: RunRow[] = [];
  for (const id of (await foldersIn(runsDir)).sort()) {
    const row = await runRow(path.join(runsDir, id));
    if (row !== undefined) rows.push(row);
  }
  if (rows.length === 0) throw new Error(`there is no run in ${runsDir}`);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const { DataFrame } = await import("danfojs-node");
  return new DataFrame(
    rows.map((row) => columns.map((column) => row[column] ?? null)),
    { columns },
  );
}

async function runRow(dir: string): Promise<RunRow | undefined> {
  const files = runFiles(dir);
  let record: Awaited<ReturnType<typeof readRecord>>;
  try {
    record = await readRecord(files);
  } catch {
    // Something else that lies there, or a configuration that this version of the library does not know.
    return undefined;
  }
  const summary = await finishedSummary(files, false);
  const last: StepMetrics | undefined = (await readMetrics(files.metrics)).at(-1);
  const session = record.sessions.at(-1);
  const config = Object.entries(flatConfig(record.config)).map(([key, value]): [string, RunRow[string]] => [
    key,
    typeof value === "object" && value !== null ? JSON.stringify(value) : (value as RunRow[string]),
  ]);
  return {
    run: path.basename(dir),
    status: summary ? "done" : (await isRunLocked(files.lock)) ? "training" : "stopped",
    steps: last?.step ?? 0,
    tokens: last?.tokens ?? 0,
    lossNats: summary?.lossNats ?? null,
    tokensPerSecond: summary?.tokensPerSecond ?? null,
    finishedAt: summary?.finishedAt ?? null,
    ...Object.fromEntries(LAST.map((name) => [`last.${name}`, last?.[name] ?? null])),
    device: session?.device ?? null,
    commit: session?.commit ?? null,
    codeHash: record.codeHash.slice(0, 8),
    corpusHash: record.corpusHash.slice(0, 8),
    ...Object.fromEntries(config),
  };
}

/**
 * Where two runs' configurations differ, key by key; keys as in `config.json`.
 *
 * @param names what the columns are called
 */
export function compareRuns(
  a: { readonly config: RunConfig },
  b: { readonly config: RunConfig },
  names: readonly [string, string] = ["first", "second"],
): Table {
  const rows = configDifferences(a.config, b.config).map(({ key, values }): Row => ({
    key,
    [names[0]]: cell(values[0]),
    [names[1]]: cell(values[1]),
  }));
  return table(rows, { columns: ["key", ...names], maxRows: Infinity });
}

function cell(value: unknown): Cell {
  return typeof value === "string" || typeof value === "number" ? value : JSON.stringify(value);
}
