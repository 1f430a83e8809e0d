import { lossCurves, type LossCurve, type LossCurvesOptions } from "../plots";
import { Bars, type BarState } from "./bars";
import { kernel } from "./kernel";
import { LiveFigure } from "./live-figure";
import { formatCount, formatDuration, formatRate } from "./numbers";

/** What is shown of a training step. */
export interface WatchedStep {
  readonly tokens: number;
  readonly lossNats: number;
  /** Null until it is known. */
  readonly tokensPerSecond: number | null;
  readonly secondsLeft: number | null;
}

/** A training that can be watched: a run of `lory/train`. */
export interface WatchedRun<Step extends WatchedStep = WatchedStep> {
  readonly config: { readonly trainTokens: number };
  /** Yields what is recorded first, then trains the rest; ends early once `signal` is aborted. */
  train(options: { readonly signal?: AbortSignal }): AsyncIterable<Step>;
}

/** A training of another process, which is only looked at. */
export interface FollowedTraining<Step extends WatchedStep = WatchedStep> {
  readonly config: { readonly trainTokens: number };
  /** Yields what is recorded first, then what is added; ends early once `signal` is aborted. */
  follow(options: { readonly signal?: AbortSignal }): AsyncIterable<Step>;
}

/**
 * Trains runs one after the other, and shows a bar with speed and time left for each and one live figure with the loss
 * curves of all. Runs that are done are shown at once from what they recorded. Outside a notebook a line is printed now
 * and then. When the cell is interrupted, the run ends after the step in flight and keeps what it has. A run of `followRun` is shown as another
 * process trains it.
 *
 *     const curves = await watch({ dense: denseRun, "8 experts": loryRun });
 *
 * @param runs the runs by the name that figures give them
 * @param options of the live figure, see `lossCurves`
 * @returns the curves, in the order of `runs`
 */
export async function watch<Step extends WatchedStep>(
  runs: Readonly<Record<string, WatchedRun<Step> | FollowedTraining<Step>>>,
  options: Omit<LossCurvesOptions, "baseline" | "maxTokens"> = {},
): Promise<(LossCurve & { readonly metrics: Step[] })[]> {
  const signal = kernel()?.signal;
  const entries = Object.entries(runs);
  const maxTokens = Math.max(...entries.map(([, run]) => run.config.trainTokens));
  const curves = entries.map(([name]) => ({ name, metrics: [] as Step[] }));
  const states: BarState[] = entries.map(([label]) => ({ label, fraction: 0, details: "waiting" }));
  const bars = new Bars();
  const figure = new LiveFigure();
  const drawFigure = (isFinal: boolean) => figure.draw(() => lossCurves(curves, { ...options, maxTokens }), isFinal);

  for (const [i, [label, run]] of entries.entries()) {
    const { metrics } = curves[i];
    const { trainTokens } = run.config;
    try {
      for await (const step of "follow" in run ? run.follow({ signal }) : run.train({ signal })) {
        metrics.push(step);
        states[i] = { label, fraction: step.tokens / trainTokens, details: describeStep(step, trainTokens, false) };
        bars.draw(states, states[i]);
        drawFigure(false);
      }
    } finally {
      const last = metrics.at(-1);
      if (last) states[i] = { ...states[i], details: describeStep(last, trainTokens, true) };
      bars.draw(states, states[i], true);
      drawFigure(true);
    }
    signal?.throwIfAborted();
  }
  return curves;
}

/** A step in words: how far the training is, its loss, speed and the time left. */
export function describeStep(step: WatchedStep, trainTokens: number, isFinal: boolean): string {
  const parts = [
    `${formatCount(step.tokens)} / ${formatCount(trainTokens)} tokens`,
    `loss ${step.lossNats.toFixed(3)}`,
  ];
  if (step.tokensPerSecond !== null) parts.push(`${formatRate(step.tokensPerSecond)} tokens/s`);
  if (step.secondsLeft !== null && !isFinal) parts.push(`${formatDuration(step.secondsLeft)} left`);
  return parts.join(", ");
}
