import path from "node:path";
import { messageOf } from "../data/corpus-error";
import { DamagedCheckpointError, loadState } from "./checkpoint";
import { checkpointName, checkpointSteps, setAsideDamaged } from "./checkpoint-folders";
import { phaseAfter } from "./dense-warmup";
import { freshState, parameterSpecs, stateParts } from "./model-objective";
import type { RunConfig } from "./run-config";
import type { RunFiles } from "./run-directory";
import type { TrainState } from "./train-step";

/** A training's state after so many steps. */
export interface StateAtStep {
  readonly state: TrainState;
  readonly step: number;
}

/** The state that a run goes on from: of its newest checkpoint, or the initial one. A checkpoint that is damaged is named on the console, and the one before it taken. */
export async function stateToGoOnFrom(files: RunFiles, config: RunConfig): Promise<StateAtStep> {
  return (await lastState(files, config)) ?? (await firstState(config));
}

async function firstState(config: RunConfig): Promise<StateAtStep> {
  return { state: await freshState({ ...config, model: phaseAfter(config, 0).model }), step: 0 };
}

/** The state of the newest checkpoint that is not damaged; undefined if there are no checkpoints. */
async function lastState({ checkpoints }: RunFiles, config: RunConfig): Promise<StateAtStep | undefined> {
  const steps = await checkpointSteps(checkpoints);
  for (const [i, step] of steps.entries()) {
    const folder = path.join(checkpoints, checkpointName(step));
    try {
      const { model } = phaseAfter(config, step);
      return { state: await loadState(folder, parameterSpecs(model), stateParts(model, config)), step };
    } catch (error) {
      if (!(error instanceof DamagedCheckpointError)) throw error;
      const before = steps.at(i + 1);
      if (before === undefined) {
        throw new Error(
          `${error.message}, and there is no checkpoint before it: delete ${checkpoints} to train again from the beginning`,
          { cause: error },
        );
      }
      console.warn(`${messageOf(error)}: training goes on from the checkpoint before it, of step ${before}`);
      await setAsideDamaged(folder);
    }
  }
  return undefined;
}
