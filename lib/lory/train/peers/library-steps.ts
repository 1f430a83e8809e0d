import * as tf from "@tensorflow/tfjs-core";
import type { MergeMemory } from "../../moe";
import { stepScalars } from "../adamw";
import { modelObjective } from "../model-objective";
import { initialState, reportedTensors, trainStep, type TrainState } from "../train-step";
import type { PeerSteps } from "./peer-process";
import { OPTIMIZER, type StepInput } from "./step-folder";

/** This library's training step on the selected backend: runs so many steps at a call, and frees its tensors at the end. */
export interface LibrarySteps {
  /** Compiles the step; the event loop stays free. */
  prepare(): Promise<void>;
  run(count: number): Promise<PeerSteps>;
  dispose(): void;
}

/** The state before the first step: the weights that all peers begin with. */
export function givenState({ spec, weights }: StepInput): TrainState {
  return initialState(weights.map((values, i) => tf.tensor(values, [...spec.parameters[i].shape], "float32")));
}

/** @param initial the state before the first step, which is consumed */
export function librarySteps(
  { spec, batches }: Pick<StepInput, "spec" | "batches">,
  initial: TrainState,
  merges: MergeMemory = "keep",
): LibrarySteps {
  const step = trainStep(modelObjective(spec, spec.parameters, merges), OPTIMIZER, spec);
  let state = initial;
  let done = 0;
  const tokensOf = (batch: Int32Array) => tf.tensor2d(batch, [spec.batchSize, spec.contextLength + 1], "int32");
  const scalarsOf = (stepNumber: number) => stepScalars(stepNumber, Number.MAX_SAFE_INTEGER, OPTIMIZER);
  return {
    async prepare() {
      const [tokens_BM, scalars] = [tokensOf(batches[0]), scalarsOf(1)];
      await step.prepare(state, tokens_BM, scalars);
      tf.dispose([tokens_BM, { ...scalars }]);
    },
    async run(count) {
      const ms: number[] = [];
      const losses: number[] = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        const batch = batches[done % batches.length];
        const [tokens_BM, scalars] = [tokensOf(batch), scalarsOf(done + 1)];
        const result = step(state, tokens_BM, scalars);
        state = result.state;
        losses.push((await result.lossNats.data())[0]);
        ms.push(performance.now() - start);
        tf.dispose([tokens_BM, { ...scalars }, reportedTensors(result)]);
        done++;
      }
      return { ms, losses };
    },
    dispose: () => tf.dispose({ ...state }),
  };
}
