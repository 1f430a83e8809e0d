import { DISPLAY, type Displayable } from "../notebook/display";
import { kernel } from "../notebook/kernel";
import { table, type Cell, type Row } from "../notebook/table";
import { openCorpus, type Corpus } from "../data";
import { openRunWith } from "../train/run";
import { tokensPerStep, totalSteps, type OpenRunOptions, type Run, type RunConfigInput } from "../train";
import { refuseUnknownKeys } from "../models";
import { SweepBars } from "./sweep-bars";
import { sweepPoints, type Settings, type SweepSpace } from "./sweep-points";

export interface SweepBudget {
  /** Tokens that one call trains at most: no run is begun or gone on with that would take it beyond. */
  readonly tokens?: number;
  /** Minutes that one call takes: when they are over, the run at work stops with a checkpoint. */
  readonly minutes?: number;
}

export interface SweepOptions extends Pick<OpenRunOptions, "runsDir" | "checkpointEvery" | "weights" | "tensorBoard"> {
  /** What the trainings have in common. */
  readonly base: RunConfigInput;
  readonly seeds?: readonly number[];
  readonly budget?: SweepBudget;
  /** Default: the interrupt of the cell that runs. */
  readonly signal?: AbortSignal;
}

/** What became of one training of a sweep. */
export interface SweepRun {
  readonly settings: Settings;
  readonly status: "done" | "partial" | "new" | "failed";
  /** Absent where the settings do not go together. */
  readonly run?: Run;
  /** Of a training that failed. */
  readonly error?: string;
}

export interface SweepResult extends Displayable {
  readonly runs: readonly SweepRun[];
  /** What ended the sweep before its last training; undefined if nothing did. */
  readonly stoppedBy?: "signal" | "tokens" | "minutes";
  readonly text: string;
}

const KEYS = ["base", "seeds", "budget", "signal", "runsDir", "checkpointEvery", "weights", "tensorBoard"];

/**
 * Trains one configuration after the other:
 *
 *     await sweep({ segmentLength: [64, 128, 256], routingMode: ["causal_segment", "prefix"] }, { base, seeds: [0, 1, 2] });
 *
 * What is done is skipped, known by the hash of its configuration, the corpus and the code; what was interrupted goes on; a
 * training that fails is listed and the rest is done. So a sweep that was stopped or killed is called again, as it is. Shows
 * what is left and for how long.
 *
 * @param space lists of values by key, all combinations of which are trained, or a list of settings; a key's part may be
 *   left out: `numExperts` is `model.numExperts`
 * @throws Error for a key that there is not, and a space without a training
 */
export async function sweep(space: SweepSpace, options: SweepOptions): Promise<SweepResult> {
  refuseUnknownKeys("the options of a sweep", options, KEYS);
  const { base, seeds, budget = {}, signal = kernel()?.signal, weights = false } = options;
  const { runsDir, checkpointEvery, tensorBoard } = options;
  checkBudget(budget);
  const openOnce = corporaOpenedOnce();
  const runs: Mutable<SweepRun>[] = [];
  for (const { settings, config, error } of sweepPoints(space, base, seeds)) {
    if (config === undefined) {
      runs.push({ settings, status: "failed", error });
      continue;
    }
    try {
      const run = await openRunWith(openOnce, config, { runsDir, checkpointEvery, tensorBoard, weights });
      runs.push({ settings, status: run.status, run });
    } catch (reason) {
      runs.push({ settings, status: "failed", error: messageOf(reason) });
    }
  }
  const time = budget.minutes === undefined ? undefined : AbortSignal.timeout(budget.minutes * 60_000);
  const either = AbortSignal.any([signal, time].filter((each) => each !== undefined));
  const bars = new SweepBars(runs);
  let tokensLeft = budget.tokens ?? Infinity;
  let stoppedBy: SweepResult["stoppedBy"];
  for (const item of runs) {
    const { run } = item;
    if (run === undefined || run.status === "done") continue;
    const needed = tokensToTrain(run);
    if (needed > tokensLeft) stoppedBy = "tokens";
    else if (either.aborted) stoppedBy = signal?.aborted ? "signal" : "minutes";
    if (stoppedBy !== undefined) break;
    try {
      for await (const step of run.train({ signal: either })) bars.draw(item, step);
      item.status = run.status;
    } catch (error) {
      item.status = "failed";
      item.error = messageOf(error);
    }
    bars.ended(item);
    tokensLeft -= needed - tokensToTrain(run);
  }
  // The last one may have been stopped with none after it.
  if (
    stoppedBy === undefined &&
    either.aborted &&
    runs.some(({ status }) => status === "partial" || status === "new")
  ) {
    stoppedBy = signal?.aborted ? "signal" : "minutes";
  }
  return sweepResult(runs, stoppedBy);
}

/** Opens each corpus the first time that it is asked for: that reads all of its files, to check their hashes. */
function corporaOpenedOnce(): typeof openCorpus {
  const opened = new Map<string, Promise<Corpus>>();
  return (nameOrFolder) => {
    const corpus = opened.get(nameOrFolder) ?? openCorpus(nameOrFolder);
    opened.set(nameOrFolder, corpus);
    return corpus;
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Tokens of the run that are still to be trained. */
function tokensToTrain({ config, metrics }: Run): number {
  return (totalSteps(config) - metrics.length) * tokensPerStep(config);
}

function checkBudget(budget: SweepBudget): void {
  refuseUnknownKeys("a sweep's budget", budget, ["tokens", "minutes"]);
  for (const [key, value] of Object.entries(budget) as [string, unknown][]) {
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      throw new TypeError(`${key} is ${JSON.stringify(value)} in a sweep's budget: expected a number above 0`);
    }
  }
}

function sweepResult(runs: readonly SweepRun[], stoppedBy: SweepResult["stoppedBy"]): SweepResult {
  const rows = runs.map(({ settings, status, run, error }): Row => ({
    ...Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, asCell(value)])),
    run: run?.id,
    status,
    tokens: run?.metrics.at(-1)?.tokens,
    "loss (nats)": run?.summary?.lossNats,
    "tokens/s": run?.summary?.tokensPerSecond,
    ...(error === undefined ? {} : { error }),
  }));
  const shown = table(rows, { maxRows: 1000 });
  return { runs, stoppedBy, text: shown.text, [DISPLAY]: () => shown[DISPLAY]() };
}

function asCell(value: unknown): Cell {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : JSON.stringify(value);
}
