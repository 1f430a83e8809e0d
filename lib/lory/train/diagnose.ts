import type { TrainBatch } from "../data";
import { messageOf } from "../data/corpus-error";
import type { DivergedError } from "./diverged-error";
import { firstNotFinite, writeDivergence, type Divergence } from "./divergence";
import type { StepMetrics } from "./metrics";
import { stateToGoOnFrom } from "./restore-state";
import type { RunConfig } from "./run-config";
import type { RunFiles } from "./run-directory";
import { Training } from "./training";

/** What a diagnosis reads. */
export interface DiagnosisSources {
  readonly dir: string;
  readonly files: RunFiles;
  readonly config: RunConfig;
  /** Of the steps before the one with which training ended. */
  readonly metrics: readonly StepMetrics[];
  /** The batches of the steps after the given one. */
  readonly batchesFrom: (step: number) => AsyncGenerator<TrainBatch, void, undefined>;
}

/**
 * Finds where in the model the numbers of a step are not finite, and writes that with the step's batch to the run directory. A step consumes the
 * state that it begins with: so the steps since the last checkpoint are trained again, and the step is then looked at instead of taken. Where
 * programs do not give the same bits each time (GPUs, unless asked to), that state is near the one that was, and the report says so.
 *
 * @param signal ends the training of steps again; the report then has the step and the batch only
 */
export async function diagnose(
  sources: DiagnosisSources,
  error: DivergedError,
  signal?: AbortSignal,
): Promise<Divergence> {
  const { dir, files, config, metrics, batchesFrom } = sources;
  const { state, step: replayedFrom } = await stateToGoOnFrom(files, config);
  const training = new Training(config, state, replayedFrom);
  const batches = batchesFrom(replayedFrom);
  const lastStep = error.at.step - 1;
  let isReplayExact = true;
  const steps = training.advance(
    {
      batches,
      lastStep,
      record: ({ step, lossNats, gradNorm }: StepMetrics) => {
        const recorded = metrics.at(step - 1);
        if (recorded?.lossNats !== lossNats || recorded.gradNorm !== gradNorm) isReplayExact = false;
        return Promise.resolve();
      },
      save: () => Promise.resolve(),
      isSaveDue: () => false,
      complete: () => Promise.resolve(),
      failedSaves: () => 0,
      recorded: () => metrics,
    },
    signal,
  );
  try {
    const isThere = await reached(steps).then(() => training.steps === lastStep, warned);
    const batch = await batchOf(isThere ? batches : batchesFrom(lastStep));
    const inspection = isThere ? await training.inspect(batch).catch(warned) : undefined;
    const report = {
      ...error.at,
      replayedFrom,
      isReplayExact: isReplayExact && isThere === true,
      first: inspection ? firstNotFinite(inspection) : null,
      inspection: inspection ?? null,
    };
    return await writeDivergence(dir, report, batch, config.batchSize);
  } finally {
    training.dispose();
    await batches.return();
  }
}

async function reached(steps: AsyncGenerator<StepMetrics>): Promise<void> {
  while (!(await steps.next()).done);
}

/** What goes wrong here must not hide what went wrong there. */
function warned(error: unknown): undefined {
  console.warn(`The steps before the divergence could not be trained again: ${messageOf(error)}`);
}

/** The next batch. */
async function batchOf(batches: AsyncGenerator<TrainBatch, void, undefined>): Promise<TrainBatch> {
  const { value, done } = await batches.next();
  if (done) throw new Error("the batches ended before the training");
  return value;
}
