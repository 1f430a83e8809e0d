import { flopsPerToken, type ModelConfig } from "../models";
import { Bars, type BarState } from "../notebook/bars";
import { kernel } from "../notebook/kernel";
import { formatDuration } from "../notebook/numbers";
import { describeStep } from "../notebook/watch";
import type { StepMetrics } from "../train";
import type { SweepRun } from "./sweep";

/** The progress of a sweep: one bar for all trainings with the time that is left, one for that at work. */
export class SweepBars {
  readonly #runs: readonly SweepRun[];
  readonly #bars = new Bars();
  /** Operations of the whole sweep, the trainings' own before. */
  readonly #total: number;
  readonly #labels: ReadonlyMap<SweepRun, string>;
  /** Operations a second, as the last training had it; trainings differ in size, not much in this. */
  #speed: number | undefined;

  constructor(runs: readonly SweepRun[]) {
    this.#runs = runs;
    this.#total = runs.reduce((sum, item) => sum + operations(item), 0);
    this.#labels = new Map(runs.map((item, i) => [item, `${i + 1} of ${runs.length}: ${settingsText(item)}`]));
  }

  /** The training at work has made a step. */
  draw(item: SweepRun, step: StepMetrics): void {
    this.#show(item, step, false);
  }

  /** The training at work is done, or has stopped or failed. */
  ended(item: SweepRun): void {
    this.#show(item, item.run?.metrics.at(-1), true);
  }

  #show(item: SweepRun, step: StepMetrics | undefined, isFinal: boolean): void {
    const { model, trainTokens } = item.run!.config;
    if (step && step.tokensPerSecond !== null) this.#speed = step.tokensPerSecond * flopsPerToken(model).training;
    const failure = item.error === undefined ? [] : [`failed: ${item.error}`];
    const own: BarState = {
      label: this.#labels.get(item)!,
      fraction: step === undefined ? 0 : step.tokens / trainTokens,
      details: [...(step === undefined ? [] : [describeStep(step, trainTokens, isFinal)]), ...failure].join(", "),
    };
    const all = this.#allBar();
    // Where bars are lines, the one that moves is all there is.
    const moved = kernel() ? own : { ...own, details: `${own.details} (sweep: ${all.details})` };
    this.#bars.draw([all, own], moved, isFinal);
  }

  #allBar(): BarState {
    const left = this.#runs.reduce((sum, each) => sum + operationsLeft(each), 0);
    const count = (status: SweepRun["status"]): number => this.#runs.filter((each) => each.status === status).length;
    return {
      label: "sweep",
      fraction: this.#total === 0 ? 1 : 1 - left / this.#total,
      details: [
        `${count("done")} of ${this.#runs.length} done`,
        ...(count("failed") > 0 ? [`${count("failed")} failed`] : []),
        ...(this.#speed === undefined || left === 0 ? [] : [`about ${formatDuration(left / this.#speed)} left`]),
      ].join(", "),
    };
  }
}

/** What tells a training from the others of its sweep. */
function settingsText({ settings }: SweepRun): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

function trainingFlops(model: ModelConfig): number {
  return flopsPerToken(model).training;
}

function operations({ run }: SweepRun): number {
  return run === undefined ? 0 : run.config.trainTokens * trainingFlops(run.config.model);
}

function operationsLeft({ run, status }: SweepRun): number {
  if (run === undefined || status === "done" || status === "failed") return 0;
  return (run.config.trainTokens - (run.metrics.at(-1)?.tokens ?? 0)) * trainingFlops(run.config.model);
}
