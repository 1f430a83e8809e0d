import * as tf from "@tensorflow/tfjs-core";
import { jit, random } from "tfjs-backend-xla";
import {
  expertLayers,
  initParams,
  listToParams,
  multipliesLoads,
  paramsToList,
  trainingLosses,
  type ModelConfig,
  type Params,
} from "../models";
import type { TensorSpec } from "../models/safetensors";
import { adaptedL1, balancedBias, type MergeMemory } from "../moe";
import { routerGradNorms } from "./expert-metrics";
import type { RunConfig } from "./run-config";
import type { StatePartName } from "./state-parts";
import { initialState, type Objective, type TrainState } from "./train-step";

/** Names, shapes and dtypes of a model's parameters, in the order of `paramsToList`. On `xla` nothing is drawn for it. */
export function parameterSpecs(model: ModelConfig): TensorSpec[] {
  return tf.tidy(() =>
    paramsToList(initParams(model, 0)).map(({ name, tensor: { shape, dtype } }) => ({ name, shape, dtype })),
  );
}

/** What the model is trained by, as functions of its parameters in that order. */
export function modelObjective(
  model: ModelConfig,
  specs: readonly TensorSpec[] = parameterSpecs(model),
  merges: MergeMemory = "keep",
): Objective {
  return {
    losses: (params, tokens_BM, inputs) =>
      trainingLosses(paramsOf(specs, params), tokens_BM, model, { ...inputs, merges }),
    multipliesLoads: multipliesLoads(model),
    routerGradNorms: (grads) => routerGradNorms(specs, grads),
    adapted: (l1Coefficient, { activeExperts }) =>
      activeExperts === undefined ? l1Coefficient : adaptedL1(l1Coefficient, activeExperts, model),
    balanced: (params, loads) => {
      const ofLayers = loads.values();
      return params.map((param, i) => {
        if (!specs[i].name.endsWith(".bias_E")) return param;
        return balancedBias(param, ofLayers.next().value!, model.routerBiasUpdateRate);
      });
    },
  };
}

/** Fresh parameters in that order. */
export function initialParameters({ model, seed }: Pick<RunConfig, "model" | "seed">): tf.Tensor[] {
  return paramsToList(initParams(model, seed)).map(({ tensor }) => tensor);
}

/** Whether the coefficient of a penalty is part of the state. */
export function hasL1Coefficient({ numExperts, routingMode }: ModelConfig): boolean {
  return numExperts > 0 && routingMode === "remoe";
}

/** The parts that a run's state has while it trains a model. */
export function stateParts(model: ModelConfig, { emaDecay }: Pick<RunConfig, "emaDecay">): StatePartName[] {
  const parts: StatePartName[] = ["params", "m", "v"];
  if (emaDecay > 0) parts.push("ema");
  if (hasL1Coefficient(model)) parts.push("l1Coefficient");
  return parts;
}

/** Lies beyond the seeds of runs, whose streams the parameters take. */
const DROPOUT_SEEDS = 2 ** 40;

/**
 * The numbers by which a step of training drops experts, [layers with experts, B, E]; undefined for models that drop none. They depend on seed and step
 * alone. The caller disposes them.
 */
export function dropoutNumbers(
  { model, seed, batchSize }: Pick<RunConfig, "model" | "seed" | "batchSize">,
  step: number,
): tf.Tensor3D | undefined {
  const shape = [expertLayers(model).length, batchSize, model.numExperts];
  if (model.expertDropout === 0 || shape[0] === 0) return undefined;
  return random.uniform(shape, { seed: DROPOUT_SEEDS + seed, stream: step }) as tf.Tensor3D;
}

/** A run's state before its first step. It is compiled without blocking the event loop, and drawn on the device. */
export async function freshState(
  config: Pick<RunConfig, "model" | "seed"> & Partial<Pick<RunConfig, "emaDecay">>,
): Promise<TrainState> {
  const { l1InitialCoef } = config.model;
  const draw = jit(
    () =>
      initialState(
        initialParameters(config),
        hasL1Coefficient(config.model) ? { l1Coefficient: tf.fill([], l1InitialCoef) } : {},
        (config.emaDecay ?? 0) > 0,
      ),
    { name: "initial state" },
  );
  await draw.prepare();
  return draw();
}

/** The tree of parameters given in the order of their specs. */
export function paramsOf(specs: readonly TensorSpec[], tensors: readonly tf.Tensor[]): Params {
  return listToParams(specs.map(({ name }, i) => ({ name, tensor: tensors[i] })));
}
