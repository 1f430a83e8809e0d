// Shapes: B batch, M = L + 1 context and the token after it.
import * as tf from "@tensorflow/tfjs-core";
import { jit, precision, type Precision } from "tfjs-backend-xla";
import { adamW, clipScale, globalNorm, type StepScalars } from "./adamw";
import type { OptimizerConfig, RunConfig } from "./run-config";

/** All that training changes on the device, each list in the order of the model's parameters. */
export interface TrainState {
  readonly params: tf.Tensor[];
  readonly m: tf.Tensor[];
  readonly v: tf.Tensor[];
}

/** The mean loss of a batch, in nats a token, as a function of the flat parameters. */
export type Objective = (params: tf.Tensor[], tokens_BM: tf.Tensor2D) => tf.Scalar;

/** What a step gives back; `gradNorm` is the global norm before clipping. */
export interface StepResult {
  readonly state: TrainState;
  readonly lossNats: tf.Scalar;
  readonly gradNorm: tf.Scalar;
}

/** The engine's policy for each precision of a run. */
const POLICY = { f32: "default", bf16: "bf16" } as const satisfies Record<RunConfig["precision"], Precision>;

/** A state at the start of training: the given parameters, and no momentum. */
export function initialState(params: tf.Tensor[]): TrainState {
  return { params, m: params.map((p) => tf.zerosLike(p)), v: params.map((p) => tf.zerosLike(p)) };
}

/**
 * The whole training step as one compiled program: loss, gradients, clipping by the global norm, AdamW.
 * `runPrecision` is that of the loss's and the gradients' contractions; all else is f32.
 * The state that goes in is consumed: its memory holds the state that comes out.
 */
export function trainStep(
  objective: Objective,
  optimizer: OptimizerConfig,
  runPrecision: RunConfig["precision"] = "f32",
) {
  const step = (state: TrainState, tokens_BM: tf.Tensor2D, scalars: StepScalars): StepResult => {
    const lossOf = tf.valueAndGrads((...params) => objective(params, tokens_BM));
    const { value, grads } = precision(POLICY[runPrecision], () => lossOf(state.params));
    const gradNorm = globalNorm(grads);
    const scale = clipScale(gradNorm, optimizer.clipNorm);
    const updated = state.params.map((param, i) =>
      adamW({ param, m: state.m[i], v: state.v[i] }, grads[i], scale, scalars, optimizer),
    );
    return {
      state: {
        params: updated.map(({ param }) => param),
        m: updated.map(({ m }) => m),
        v: updated.map(({ v }) => v),
      },
      lossNats: value,
      gradNorm,
    };
  };
  return jit(step, { donate: [0], name: "train step" });
}
