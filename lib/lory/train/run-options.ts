import path from "node:path";
import { resultsFolder } from "../data/project-folder";
import { refuseUnknownKeys } from "../models";
import type { KeptCheckpoints } from "./checkpoint-folders";

/** Which of a run's checkpoints: the newest, the one of the lowest loss that its evaluations found, or that of a step. */
export type CheckpointChoice = "last" | "best" | number;

/** A run to begin from, by the name of its directory under `runsDir` or by a path, and at which of its checkpoints. */
export interface ForkPoint {
  readonly run: string;
  /** The last one by default. */
  readonly at?: CheckpointChoice;
}

export interface OpenRunOptions {
  /** Where run directories lie; default: `runs` in the checkout's `results`, or in the folder that LORY_RESULTS names. */
  readonly runsDir?: string;
  /** Checkpoints are written this often, and when training stops. Default: every 5 minutes. */
  readonly checkpointEvery?: { readonly steps?: number; readonly minutes?: number };
  /** Which checkpoints stay. Default: the last 2, and the best of a run that is evaluated. */
  readonly keepCheckpoints?: Partial<KeptCheckpoints>;
  /**
   * Whether the weights are needed, as they are by default: a run whose records came from elsewhere, without its weights,
   * is trained again. With `false` the records do.
   */
  readonly weights?: boolean;
  /** Whether the run directory gets an event file of TensorBoard beside its records, as it does by default. */
  readonly tensorBoard?: boolean;
  /**
   * Begins from a checkpoint of another run, whose configuration, corpus and code may differ: with another learning rate, after a training diverged. The
   * model and the batch size stay. Steps go on counting, and the directory has the records up to there. A fork is another run: it is found again by the same
   * configuration, parent and step, which `run.parent` tells; name the step if the parent may train on.
   */
  readonly fork?: string | ForkPoint;
  /** Goes on with this run or not at all: what of the configuration, the corpus or the code differs from it is refused, by name. */
  readonly resume?: string;
}

/** The options with their defaults. */
export interface RunOptions {
  readonly runsDir: string;
  readonly checkpointEvery: { readonly steps: number; readonly ms: number };
  readonly needsWeights: boolean;
  readonly keep: KeptCheckpoints;
  readonly tensorBoard: boolean;
  readonly fork?: Required<ForkPoint>;
  readonly resume?: string;
}

/** @throws an error that names the option: unknown, of a wrong type or out of range */
export function runOptions(options: OpenRunOptions): RunOptions {
  const { runsDir = path.join(resultsFolder(), "runs"), checkpointEvery = {}, keepCheckpoints = {}, resume } = options;
  refuseUnknownKeys("the options of a run", options, [
    ...["runsDir", "checkpointEvery", "keepCheckpoints", "weights", "tensorBoard", "fork", "resume"],
  ]);
  refuseUnknownKeys("checkpointEvery", checkpointEvery, ["steps", "minutes"]);
  refuseUnknownKeys("keepCheckpoints", keepCheckpoints, ["last", "best"]);
  const { last = 2, best = true } = keepCheckpoints;
  if (!Number.isSafeInteger(last) || last < 1) {
    throw new RangeError(`last is ${String(last)} in keepCheckpoints: expected a whole number of at least 1`);
  }
  if (typeof best !== "boolean") {
    throw new TypeError(`best is ${String(best)} in keepCheckpoints: expected true or false`);
  }
  const { tensorBoard = true } = options;
  if (typeof tensorBoard !== "boolean") {
    throw new TypeError(`tensorBoard is ${String(tensorBoard)} in the options of a run: expected true or false`);
  }
  if (options.fork !== undefined && resume !== undefined) {
    throw new Error("both fork and resume are given: a fork is another run, resume goes on with the same one");
  }
  const { steps = Infinity, minutes = 5 } = checkpointEvery;
  return {
    runsDir: path.resolve(runsDir),
    checkpointEvery: { steps, ms: minutes * 60_000 },
    needsWeights: options.weights ?? true,
    keep: { last, best },
    tensorBoard,
    ...(options.fork === undefined ? {} : { fork: forkPoint(options.fork) }),
    ...(resume === undefined ? {} : { resume }),
  };
}

function forkPoint(fork: string | ForkPoint): Required<ForkPoint> {
  if (typeof fork === "string") return { run: fork, at: "last" };
  refuseUnknownKeys("fork", fork, ["run", "at"]);
  const { run, at = "last" } = fork;
  if (typeof run !== "string") throw new TypeError("fork has no run: expected the name or the folder of one");
  if (at !== "last" && at !== "best" && !(Number.isSafeInteger(at) && at > 0)) {
    throw new TypeError(`at is ${JSON.stringify(at)} in fork: expected "last", "best" or a step`);
  }
  return { run, at };
}
