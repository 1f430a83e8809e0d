import * as tf from "@tensorflow/tfjs-core";
import { stepScalars } from "../adamw";
import { modelObjective } from "../model-objective";
import { initialState, trainStep } from "../train-step";
import type { PeerSteps } from "./peer-process";
import { OPTIMIZER, type StepInput } from "./step-folder";

/** This library's training step on the selected backend: runs so many steps at a call, and frees its tensors at the end. */
export interface LibrarySteps {
  run(count: number): Promise<PeerSteps>;
  dispose(): void;
}

export function librarySteps({ spec, weights, batches }: StepInput): LibrarySteps {
  const step = trainStep(modelObjective(spec, spec.parameters), OPTIMIZER);
  let state = initialState(weights.map((values, i) => tf.tensor(values, [...spec.parameters[i].shape], "float32")));
  let done = 0;
  return {
    async run(count) {
      const ms: number[] = [];
      const losses: number[] = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        const batch = batches[done % batches.length];
        const tokens_BM = tf.tensor2d(batch, [spec.batchSize, spec.contextLength + 1], "int32");
        const scalars = stepScalars(done + 1, Number.MAX_SAFE_INTEGER, OPTIMIZER);
        const result = step(state, tokens_BM, scalars);
        state = result.state;
        losses.push((await result.lossNats.data())[0]);
        ms.push(performance.now() - start);
        tf.dispose([tokens_BM, { ...scalars }, result.lossNats, result.gradNorm, result.routing]);
        done++;
      }
      return { ms, losses };
    },
    dispose: () => tf.dispose({ ...state }),
  };
}
