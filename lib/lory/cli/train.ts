import path from "node:path";
import { init } from "../backend";
import { Bars } from "../notebook/bars";
import { formatCount, formatRate } from "../notebook/numbers";
import { describeStep } from "../notebook/watch";
import { sweep, type SweepBudget } from "../runs";
import { withSettings } from "../runs/config-keys";
import { sweepFromJson } from "../runs/sweep-points";
import { openRun, totalSteps, type OpenRunOptions, type Run, type StepMetrics } from "../train";
import { configFromJson } from "../train/config-json";
import { readJsonFile } from "./arguments";

export interface TrainOptions extends Pick<OpenRunOptions, "runsDir" | "weights" | "checkpointEvery" | "tensorBoard"> {
  /** Keys of the configuration to set, by path. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

/** How a command ended: everything is trained; a signal stopped it; the budget is used up; a training failed. */
export type Outcome = "done" | "stopped" | "left" | "failed";

/**
 * `lory run`: trains the run of a configuration's file, from where it stands, and prints lines on it.
 *
 * @throws what `openRun` and `train` throw
 */
export async function trainRun(file: string, { settings = {}, signal, ...options }: TrainOptions): Promise<Outcome> {
  const config = withSettings(configFromJson(readJsonFile(file)), settings);
  await sayDevice();
  const run = await openRun(config, options);
  console.log(`run ${run.id} in ${shownPath(run.dir)}: ${standing(run)}`);
  if (run.status !== "done") {
    const bars = new Bars();
    const draw = (step: StepMetrics, isFinal: boolean): void => {
      const { trainTokens } = run.config;
      const details = `step ${step.step}, ${describeStep(step, trainTokens, isFinal)}`;
      const bar = { label: run.id, fraction: step.tokens / trainTokens, details };
      bars.draw([bar], bar, isFinal);
    };
    const recorded = run.metrics.length;
    let last: StepMetrics | undefined;
    try {
      for await (last of run.train({ signal })) if (last.step > recorded) draw(last, false);
    } finally {
      if (last !== undefined) draw(last, true);
    }
  }
  if (run.summary === undefined) {
    console.log(`stopped: a checkpoint of step ${run.metrics.length} is in ${shownPath(run.dir)}`);
    return "stopped";
  }
  const { lossNats, tokensPerSecond } = run.summary;
  const speed = tokensPerSecond === null ? "" : `, ${formatRate(tokensPerSecond)} tokens/s`;
  console.log(`done: ${lossNats.toFixed(4)} nats over the last tenth of the steps${speed}`);
  return "done";
}

/**
 * `lory sweep`: trains what is missing of a sweep's file, and prints lines on it and a table at the end.
 *
 * @param budget takes the place of the file's
 * @throws Error for a file that is no sweep
 */
export async function trainSweep(
  file: string,
  { settings = {}, budget, ...options }: TrainOptions & { readonly budget?: SweepBudget },
): Promise<Outcome> {
  const content = sweepFromJson(readJsonFile(file));
  const base =
    typeof content.base === "string" ? readJsonFile(path.resolve(path.dirname(file), content.base)) : content.base;
  await sayDevice();
  const result = await sweep(content.space, {
    ...options,
    base: withSettings(configFromJson(base), settings),
    seeds: content.seeds,
    budget: { ...content.budget, ...budget },
  });
  console.log(result.text);
  const failed = result.runs.filter(({ status }) => status === "failed");
  const left = result.runs.filter(({ status }) => status === "new" || status === "partial").length;
  if (result.stoppedBy !== undefined) {
    const reason = result.stoppedBy === "signal" ? "by a signal" : `by the budget of ${result.stoppedBy}`;
    console.log(`stopped ${reason}: ${left} of ${result.runs.length} runs are left; the same command goes on`);
  }
  if (result.stoppedBy === "signal") return "stopped";
  if (failed.length > 0) return "failed";
  return left > 0 ? "left" : "done";
}

async function sayDevice(): Promise<void> {
  const { backend, device } = await init();
  console.log(`computing on ${device} with backend ${backend}`);
}

function standing({ status, metrics, config }: Run): string {
  const steps = formatCount(totalSteps(config));
  if (status === "done") return `done already, ${steps} steps`;
  if (status === "new") return `${steps} steps to train`;
  return `goes on from its last checkpoint, ${metrics.length} of ${steps} steps are recorded`;
}

/** As one would write it here. */
function shownPath(folder: string): string {
  const relative = path.relative("", folder);
  return relative === "" || relative.startsWith("..") ? folder : relative;
}
