// Shapes: B batch, M = L + 1 context and the token after it.
import * as tf from "@tensorflow/tfjs-core";
import { jit, precision, type Precision } from "tfjs-backend-xla";
import type { TrainingInputs, TrainingLosses } from "../models";
import { batchLossesAndGrads } from "./accumulate";
import { adamW, clipScale, globalNorm, type StepScalars } from "./adamw";
import { averaged } from "./ema";
import type { ExpertMetrics } from "./expert-metrics";
import type { RoutingMetrics } from "./metrics";
import type { OptimizerConfig, RunConfig } from "./run-config";
import { routingMetrics } from "./routing-metrics";

/** All that training changes on the device, each list in the order of the model's parameters. */
export interface TrainState extends Pick<TrainingInputs, "l1Coefficient"> {
  readonly params: tf.Tensor[];
  readonly m: tf.Tensor[];
  readonly v: tf.Tensor[];
  /** The running mean of the parameters, where one is kept. */
  readonly ema?: tf.Tensor[];
}

/** What a model is trained by, as functions of the flat parameters. */
export interface Objective {
  /** The losses of a batch. */
  losses(params: tf.Tensor[], tokens_BM: tf.Tensor2D, inputs: TrainingInputs): TrainingLosses;
  /** Whether a part of a batch needs the loads of the whole. */
  readonly multipliesLoads: boolean;
  /** Of the gradients by all parameters, those of the routers: norms by layer with experts, undefined where there are none. */
  routerGradNorms(grads: readonly tf.Tensor[]): tf.Tensor1D | undefined;
  /** The parameters after a step, with those that follow the experts' loads, and no gradient, moved. */
  balanced(params: tf.Tensor[], loads: TrainingLosses["loads"]): tf.Tensor[];
  /** The coefficient of the L1 penalty after a step. */
  adapted(l1Coefficient: tf.Scalar, losses: TrainingLosses): tf.Scalar;
}

/** What a step gives back; `gradNorm` is the global norm before clipping. */
export interface StepResult {
  readonly state: TrainState;
  readonly lossNats: tf.Scalar;
  readonly gradNorm: tf.Scalar;
  /** By layer with experts, [Y]. */
  readonly experts: Partial<Record<keyof ExpertMetrics, tf.Tensor1D>>;
  /** Of modes that assign tokens to experts. */
  readonly routing: Partial<Record<keyof RoutingMetrics, tf.Scalar>>;
  /** How the layers with experts route: see `routingSums`. Of models with experts. */
  readonly routingSums?: tf.Tensor2D;
}

/** All that a step gives back beside its state: to be disposed when it has been read. */
export function reportedTensors({
  lossNats,
  gradNorm,
  routing,
  experts,
  routingSums,
}: Omit<StepResult, "state">): tf.Tensor[] {
  return [
    lossNats,
    gradNorm,
    ...Object.values(routing),
    ...Object.values(experts),
    ...(routingSums ? [routingSums] : []),
  ];
}

/** The engine's policy for each precision of a run. */
export const POLICY = { f32: "default", bf16: "bf16" } as const satisfies Record<RunConfig["precision"], Precision>;

/** A state at the start of training: the given parameters, no momentum, and what else it begins with. */
export function initialState(
  params: tf.Tensor[],
  rest: Pick<TrainState, "l1Coefficient"> = {},
  keepsEma = false,
): TrainState {
  const zeros = (): tf.Tensor[] => params.map((p) => tf.zerosLike(p));
  return { params, m: zeros(), v: zeros(), ...rest, ...(keepsEma ? { ema: zeros() } : {}) };
}

/** How a step is computed. */
export interface StepOptions {
  /** Of the loss's and the gradients' contractions, f32 by default; all else is f32. */
  readonly precision?: RunConfig["precision"];
  /** The parts that a batch passes in, 1 by default: see `batchLossesAndGrads`. */
  readonly accumulation?: number;
  /** Whether it is to give the same bits each time; without it as the device does by itself. */
  readonly deterministic?: boolean;
}

/**
 * The whole training step as one compiled program: losses, gradients, clipping by the global norm, AdamW, balancing of experts.
 * `uniform_YBE` are the numbers by which experts are dropped, for models that drop them.
 * The state that goes in is consumed: its memory holds the state that comes out.
 */
export function trainStep(
  objective: Objective,
  optimizer: OptimizerConfig,
  { precision: runPrecision = "f32", accumulation = 1, deterministic = false }: StepOptions = {},
) {
  const step = (
    state: TrainState,
    tokens_BM: tf.Tensor2D,
    scalars: StepScalars,
    uniform_YBE?: tf.Tensor3D,
  ): StepResult => {
    const { l1Coefficient, ema } = state;
    const inputs = { l1Coefficient, uniform_YBE };
    const { losses, grads } = precision(POLICY[runPrecision], () =>
      batchLossesAndGrads(objective, state.params, tokens_BM, inputs, accumulation),
    );
    const gradNorm = globalNorm(grads);
    const routerNorms = objective.routerGradNorms(grads);
    const scale = clipScale(gradNorm, optimizer.clipNorm);
    const updated = state.params.map((param, i) =>
      adamW({ param, m: state.m[i], v: state.v[i] }, grads[i], scale, scalars, optimizer),
    );
    const params = objective.balanced(
      updated.map(({ param }) => param),
      losses.loads,
    );
    return {
      state: {
        params,
        m: updated.map(({ m }) => m),
        v: updated.map(({ v }) => v),
        ...(l1Coefficient === undefined ? {} : { l1Coefficient: objective.adapted(l1Coefficient, losses) }),
        ...(ema === undefined ? {} : { ema: ema.map((mean, i) => averaged(mean, params[i], scalars.emaRate!)) }),
      },
      lossNats: losses.lossNats,
      gradNorm,
      experts: routerNorms === undefined ? {} : { routerGradNorms: routerNorms },
      routing: routingMetrics(losses, l1Coefficient),
      ...(losses.routingSums === undefined ? {} : { routingSums: losses.routingSums }),
    };
  };
  return jit(step, { donate: [0], name: "train step", ...(deterministic ? { deterministic } : {}) });
}
