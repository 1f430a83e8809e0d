import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { paramsToList, upcycled, type ModelConfig } from "../models";
import { hasL1Coefficient, parameterSpecs, paramsOf } from "./model-objective";
import { denseWarmupSteps, type RunConfig } from "./run-config";
import { initialState, type TrainState } from "./train-step";

/** A part of a run in which one model is trained. */
export interface TrainingPhase {
  readonly name: "dense" | "experts";
  readonly model: ModelConfig;
  /** Steps of the run before it. */
  readonly startStep: number;
}

/**
 * The phase whose model a run has after so many steps: `dense` while its warm-up lasts, and up to the copy, which the step after the warm-up
 * begins with.
 */
export function phaseAfter(config: RunConfig, steps: number): TrainingPhase {
  const warmup = denseWarmupSteps(config);
  return warmup > 0 && steps <= warmup
    ? { name: "dense", model: { ...config.model, numExperts: 0 }, startStep: 0 }
    : expertPhase(config);
}

/** The phase that trains the run's own model: all of a run without a dense warm-up. */
export function expertPhase(config: RunConfig): TrainingPhase {
  return { name: "experts", model: config.model, startStep: denseWarmupSteps(config) };
}

/** Lies beyond the seeds of runs, whose streams the parameters take. */
const COPY_SEEDS = 2 ** 41;

/** Tensors that a dense model has no counterpart of: their running means begin at 0. */
const NEW_TENSOR = /\.(router_DE|tokenRouter_DE|prior_E|bias_E)$/;

/**
 * The state with which experts begin: weights copied by `upcycled`, the optimizer as the warm-up's configuration says. It depends on the given state
 * and the run's seed alone. It is compiled without blocking the event loop.
 *
 * @param dense the state at the end of the warm-up; it is consumed
 */
export async function stateWithExperts(dense: TrainState, config: RunConfig): Promise<TrainState> {
  const { model, seed, denseWarmup, emaDecay } = config;
  const { noise, reinitializedShare, optimizerState } = denseWarmup!;
  const specs = parameterSpecs({ ...model, numExperts: 0 });
  const copied = (tensors: readonly tf.Tensor[], changes: { noise?: number; reinitializedShare?: number } = {}) =>
    paramsToList(upcycled(paramsOf(specs, tensors), model, { seed: COPY_SEEDS + seed, ...changes }));
  const means = (tensors: readonly tf.Tensor[]): tf.Tensor[] =>
    copied(tensors).map(({ name, tensor }) => (NEW_TENSOR.test(name) ? tf.zerosLike(tensor) : tensor));
  const copy = jit(
    ({ params, m, v }: TrainState): TrainState => {
      const start = initialState(
        copied(params, { noise, reinitializedShare }).map(({ tensor }) => tensor),
        hasL1Coefficient(model) ? { l1Coefficient: tf.fill([], model.l1InitialCoef) } : {},
        emaDecay > 0,
      );
      return optimizerState === "fresh" ? start : { ...start, m: means(m), v: means(v) };
    },
    { name: "copy into experts" },
  );
  await copy.prepare(dense);
  const state = copy(dense);
  tf.dispose({ ...dense });
  return state;
}
