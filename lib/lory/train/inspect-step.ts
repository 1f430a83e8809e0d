// Shapes: B batch, M = L + 1 context and the token after it, Y layers with experts, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { jit, precision } from "tfjs-backend-xla";
import { hiddenStates, inputsAndTargets } from "../models";
import type { TensorSpec } from "../models/safetensors";
import { batchLossesAndGrads } from "./accumulate";
import { globalNorm } from "./adamw";
import { modelObjective, paramsOf } from "./model-objective";
import type { RunConfig } from "./run-config";
import { POLICY, type TrainState } from "./train-step";

/** What is known of a tensor's numbers. */
export interface Finiteness {
  /** A parameter's name; of activations `embedding`, `layers.0` and so on: what they leave in the residual stream. */
  readonly name: string;
  /** How many are NaN or infinite. */
  readonly notFinite: number;
  /** The largest size of the others. */
  readonly largest: number;
}

/** What a step computes from a state and a batch. */
export interface StepInspection {
  readonly lossNats: number;
  readonly gradNorm: number;
  /** Before the step, in the order of the model. */
  readonly parameters: readonly Finiteness[];
  /** In the order in which they are computed. */
  readonly activations: readonly Finiteness[];
  /** By parameter, in the order of the model; they are computed from the last to the first. */
  readonly gradients: readonly Finiteness[];
}

/**
 * Computes the losses and gradients of a step, and looks at every tensor on the way. It is another program than the step's: numbers that only
 * just overflow in one may not in the other.
 */
export async function inspectStep(
  config: RunConfig,
  specs: readonly TensorSpec[],
  { params, l1Coefficient }: TrainState,
  tokens_BM: tf.Tensor2D,
  uniform_YBE?: tf.Tensor3D,
): Promise<StepInspection> {
  const { model, merges, accumulation } = config;
  const objective = modelObjective(model, specs, merges);
  const inspect = jit(
    (at: tf.Tensor[], tokens: tf.Tensor2D, l1: tf.Scalar | undefined, uniform: tf.Tensor3D | undefined) => {
      const inputs = { l1Coefficient: l1, uniform_YBE: uniform };
      const { losses, grads } = precision(POLICY[config.precision], () =>
        batchLossesAndGrads(objective, at, tokens, inputs, accumulation),
      );
      const streams: tf.Tensor[] = [];
      const pass = { kind: "training", merges } as const;
      precision(POLICY[config.precision], () => {
        hiddenStates(paramsOf(specs, at), inputsAndTargets(tokens).inputs_BL, model, pass, inputs, (x_BLD) => {
          streams.push(x_BLD);
        });
      });
      return {
        numbers: tf.stack([losses.lossNats, globalNorm(grads)]),
        finiteness: [at, streams, grads].map((tensors) => tf.stack(tensors.map(finiteness))),
      };
    },
    { name: "inspection of a step" },
  );
  await inspect.prepare(params, tokens_BM, l1Coefficient, uniform_YBE);
  const seen = inspect(params, tokens_BM, l1Coefficient, uniform_YBE);
  try {
    const [[lossNats, gradNorm], ...values] = await Promise.all(
      [seen.numbers, ...seen.finiteness].map((tensor) => tensor.data()),
    );
    const names = specs.map(({ name }) => name);
    const streams = ["embedding", ...Array.from({ length: model.numLayers }, (_, i) => `layers.${i}`)];
    const [parameters, activations, gradients] = [names, streams, names].map((list, i) =>
      list.map((name, j) => ({ name, notFinite: values[i][2 * j], largest: values[i][2 * j + 1] })),
    );
    return { lossNats, gradNorm, parameters, activations, gradients };
  } finally {
    tf.dispose({ ...seen });
  }
}

/** [2]: how many numbers are not finite, and the largest size of the others. */
function finiteness(x: tf.Tensor): tf.Tensor {
  const isFinite = tf.isFinite(x);
  const count = tf.sum(tf.cast(tf.logicalNot(isFinite), "float32"));
  return tf.stack([count, tf.max(tf.where(isFinite, tf.abs(x), tf.zerosLike(x)))]);
}
