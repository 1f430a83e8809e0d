import type { RunConfig, StepMetrics } from "../train";
import { denseWarmupSteps } from "../train";

/** What of a step is compared. */
export type ComparedStep = Pick<StepMetrics, "step" | "tokens" | "lossNats" | "expertDistances" | "routerGradNorms"> & {
  /** Share of the pairs (layer, expert) with a weight above 2 / E at least once in the last 10 steps. */
  readonly utilization?: number;
};

/** A run to be compared: one that was opened, or a record. */
export interface ComparedRun {
  readonly config: RunConfig;
  readonly metrics: readonly ComparedStep[];
}

/** A step of an arm: means over its seeds, and over layers where a number is that of a layer. */
export interface ArmStep {
  readonly step: number;
  readonly tokens: number;
  readonly lossNats: number;
  /** Absent where no model with experts is trained. */
  readonly utilization?: number;
  /** Of the steps in which it was measured. */
  readonly expertDistance?: number;
  /** Root mean square over layers. */
  readonly routerGradNorm?: number;
}

/** Runs that differ by their seed alone, as one. */
export interface Arm {
  readonly name: string;
  readonly seeds: readonly number[];
  /** Steps before the model with experts; 0 for one that has none. */
  readonly startStep: number;
  readonly metrics: readonly ArmStep[];
  /** By seed: the mean training loss of the last tenth of the steps. */
  readonly finalLosses: readonly number[];
}

/**
 * The mean of runs over seeds, by step.
 *
 * @param runs of equal length, one a seed
 * @throws Error if there are none, or if their steps differ
 */
export function arm(name: string, runs: readonly ComparedRun[]): Arm {
  if (runs.length === 0) throw new Error(`${name} has no runs`);
  const [first] = runs;
  if (runs.some(({ metrics }) => metrics.length !== first.metrics.length))
    throw new Error(
      `${name} has runs of ${runs.map(({ metrics }) => metrics.length).join(", ")} steps: expected as many of all`,
    );
  return {
    name,
    seeds: runs.map(({ config }) => config.seed),
    startStep: denseWarmupSteps(first.config),
    metrics: first.metrics.map(({ step, tokens }, i): ArmStep => {
      const ofSeeds = runs.map(({ metrics }) => metrics[i]);
      const known = (values: readonly (number | undefined)[]): number | undefined =>
        values.some((value) => value === undefined) ? undefined : mean(values as number[]);
      const utilization = known(ofSeeds.map((each) => each.utilization));
      const expertDistance = known(ofSeeds.map(({ expertDistances: all }) => all && mean(all)));
      const routerGradNorm = known(
        ofSeeds.map(({ routerGradNorms: all }) => all && Math.sqrt(mean(all.map((norm) => norm ** 2)))),
      );
      return {
        step,
        tokens,
        lossNats: mean(ofSeeds.map(({ lossNats }) => lossNats)),
        ...(utilization === undefined ? {} : { utilization }),
        ...(expertDistance === undefined ? {} : { expertDistance }),
        ...(routerGradNorm === undefined ? {} : { routerGradNorm }),
      };
    }),
    finalLosses: runs.map(({ metrics }) => mean(lastTenth(metrics).map(({ lossNats }) => lossNats))),
  };
}

/** The steps of the last tenth, one at least. */
export function lastTenth<T>(steps: readonly T[]): readonly T[] {
  return steps.slice(-Math.ceil(steps.length / 10));
}

/** The mean utilization of an arm in the last tenth of its steps; undefined where none is known. */
export function finalUtilization({ metrics }: Arm): number | undefined {
  const known = lastTenth(metrics).flatMap(({ utilization }) => utilization ?? []);
  return known.length === 0 ? undefined : mean(known);
}

/** How many updates of experts it took until they lay so far apart; undefined if they never did. Known to the steps that were measured. */
export function updatesUntilDistance({ metrics, startStep }: Arm, distance: number): number | undefined {
  const reached = metrics.find(({ expertDistance }) => expertDistance !== undefined && expertDistance >= distance);
  return reached && reached.step - startStep - 1;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
