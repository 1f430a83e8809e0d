import type { TrainBatch } from "../data";
import type { ModelConfig, Params } from "../models";
import type { StepMetrics } from "./metrics";
import type { TrainState } from "./train-step";

/** A model as it is while it is trained. */
export interface ModelInTraining {
  readonly model: ModelConfig;
  readonly params: Params;
}

/** When and how a model is evaluated while it is trained. */
export interface ScheduledEvaluation {
  /** Compiles what is needed for a model of this shape. */
  readonly prepare: (subject: ModelInTraining) => Promise<void>;
  /** Whether the model after so many steps is to be evaluated, and has not been. */
  readonly isDue: (steps: number) => boolean;
  /** Evaluates and records; the state, of which the subject is a part, may change once the promise resolves. It does so early when the signal is aborted. */
  readonly run: (subject: ModelInTraining, state: TrainState, steps: number, signal?: AbortSignal) => Promise<void>;
}

/** What a training reads, and where it leaves what it knows. */
export interface TrainingSurroundings {
  /** The batches from the first step on that is still to be trained. */
  readonly batches: AsyncIterator<TrainBatch, void>;
  /** Called once for each step, in order. */
  readonly record: (metrics: StepMetrics) => Promise<void>;
  /** Called with the state after `step` steps, while the device stands still: the state may change once the promise resolves. */
  readonly save: (state: TrainState, step: number) => Promise<void>;
  /** Whether to save, so many steps and milliseconds after the last time. */
  readonly isSaveDue: (steps: number, elapsedMs: number) => boolean;
  /** Called with the last state: everything is on the disk once the promise resolves. */
  readonly complete: (state: TrainState, step: number) => Promise<void>;
  /** Saves in a row that failed. */
  readonly failedSaves: () => number;
  /** The steps that were recorded so far. */
  readonly recorded: () => readonly StepMetrics[];
  readonly evaluation?: ScheduledEvaluation;
  /** Where to stop; at the end of the budget without it. */
  readonly lastStep?: number;
}
