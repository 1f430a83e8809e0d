import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** One comparison of a benchmark. */
export interface BenchmarkRow {
  readonly case: string;
  readonly ours: number;
  readonly peer: number;
  readonly peerName: string;
  /** How many times better ours is than the peer's: above 1 is faster, or smaller. */
  readonly ratio: number;
  /** The smallest and largest ratio of a round, where the two took turns. */
  readonly ratioRange?: readonly [number, number];
  /** See `medianInterval`; of the rounds' ratios. */
  readonly medianInterval?: readonly [number, number];
  /** What is aimed at: for the ratio, unless `goalOf` says that it is for our own figure, which is to be no larger. */
  readonly goal: number;
  readonly goalOf?: "ours";
  readonly unit: string;
}

/** How a measurement went, beside its rows. */
export type BenchmarkSettings = Readonly<Record<string, string | number>>;

/**
 * Writes `results/benchmarks/<name>.json` in the working directory, with what can matter of the machine. The load is that of the
 * last minute at the start: above the number that the benchmark itself makes, something else was at work.
 */
export function writeBenchmark(name: string, settings: BenchmarkSettings, rows: readonly BenchmarkRow[]): void {
  const environment = {
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    node: process.version,
    glibcTunables: process.env.GLIBC_TUNABLES ?? "",
    date: new Date().toISOString().slice(0, 10),
    loadAtStart: LOAD_AT_START,
    ...settings,
  };
  const file = fileOf(name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify({ environment, rows }, null, 2)}\n`);
  console.log(`written: ${file}`);
}

/** A benchmark whose cases are run one by one: a row replaces the last one of its case, and the others stay. */
export function openBenchmark(name: string, settings: BenchmarkSettings) {
  const file = fileOf(name);
  const last = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, "utf8")) as { rows: BenchmarkRow[] }).rows : [];
  const rows = new Map(last.map((row) => [row.case, row]));
  return {
    rowOf: (label: string): BenchmarkRow | undefined => rows.get(label),
    put: (row: BenchmarkRow): void => {
      rows.set(row.case, row);
      writeBenchmark(name, settings, [...rows.values()]);
    },
  };
}

/** A device as a benchmark's file is named by it, such as `h200`; `cuda` for another of NVIDIA's, else `cpu`. */
export function deviceLabel(device: string): string {
  return /[hb]\d00/i.exec(device)?.[0].toLowerCase() ?? (/nvidia/i.test(device) ? "cuda" : "cpu");
}

const fileOf = (name: string): string => path.join("results/benchmarks", `${name}.json`);

const LOAD_AT_START = os.loadavg()[0];

/** The middle of numbers; the mean of both where two are in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A ratio of each round, as a row has it. */
export function ratios(values: readonly number[]): Required<Pick<BenchmarkRow, "ratio" | "ratioRange">> {
  return { ratio: median(values), ratioRange: [Math.min(...values), Math.max(...values)] };
}

/** An interval that has the median with 95 % at least, whatever the distribution: between two of the values in order. */
export function medianInterval(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  let [outside, term] = [0, 0.5 ** values.length];
  let below = 0;
  while (outside + term <= 0.025) {
    outside += term;
    term *= (values.length - below) / (below + 1);
    below++;
  }
  const rank = Math.max(0, below - 1);
  return [sorted[rank], sorted[sorted.length - 1 - rank]];
}
