// Shapes: B batch, P parts of a batch, b = B / P sequences of a part, M = L + 1 context and the token after it, Y layers with experts, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { scan } from "tfjs-backend-xla";
import type { TrainingInputs, TrainingLosses } from "../models";
import type { Objective } from "./train-step";

/** The losses of a batch, and the objective's gradient by each parameter. */
export type LossesAndGrads = { losses: TrainingLosses; grads: tf.Tensor[] };

/** Of every part: its sequences, [P, b, M], and which experts are dropped for them, [P, Y, b, E]; in a loop, those of one. */
type Parts = { readonly tokens: tf.Tensor; readonly uniform: tf.Tensor | null };

/**
 * The losses and gradients of a whole batch, computed part by part in one loop, so that only one part's activations exist at a time. They are
 * those of the whole up to rounding, whatever the auxiliary losses: where one multiplies the loads of all tokens, a first loop of forward passes counts
 * them. Two things differ. Expert choice from a pool of the whole batch takes from a part, which a run's configuration refuses; and a load-balancing
 * loss that is recorded only, its coefficient being 0, is the mean of the parts' own.
 *
 * @param parts a divisor of the batch; 1 computes it at once
 */
export function batchLossesAndGrads(
  objective: Pick<Objective, "losses" | "multipliesLoads">,
  params: tf.Tensor[],
  tokens_BM: tf.Tensor2D,
  inputs: TrainingInputs,
  parts: number,
): LossesAndGrads {
  if (parts === 1) return lossesAndGrads((at) => objective.losses(at, tokens_BM, inputs), params);
  const slices = partsOf(tokens_BM, inputs.uniform_YBE, parts);
  const lossesOf = ({ tokens, uniform }: Parts, at: tf.Tensor[], more: TrainingInputs = {}): TrainingLosses => {
    const uniform_YBE = uniform === null ? {} : { uniform_YBE: uniform as tf.Tensor3D };
    return objective.losses(at, tokens as tf.Tensor2D, { ...inputs, ...uniform_YBE, ...more });
  };
  const more: TrainingInputs = {};
  if (objective.multipliesLoads) {
    const [, loads] = scan((carry: null, part: Parts) => [carry, lossesOf(part, params).loads], null, slices, {
      name: "loads of a step",
    });
    more.stepLoads = loads.map((load_PE) => ({ load_E: tf.sum<tf.Tensor1D>(load_PE, 0), parts }));
  }
  const [sums, losses] = scan(
    (carry: tf.Tensor[], part: Parts) => {
      const own = lossesAndGrads((at) => lossesOf(part, at, more), params);
      return [carry.map((sum, i) => tf.add(sum, own.grads[i])), own.losses];
    },
    params.map((param) => tf.zerosLike(param)),
    slices,
    { name: "parts of a step" },
  );
  return { losses: ofWhole(losses as LossesOfParts), grads: sums.map((sum) => tf.mul(sum, 1 / parts)) };
}

function partsOf(tokens_BM: tf.Tensor2D, uniform_YBE: tf.Tensor3D | undefined, parts: number): Parts {
  const [batch, positions] = tokens_BM.shape;
  const tokens = tf.reshape(tokens_BM, [parts, batch / parts, positions]);
  if (uniform_YBE === undefined) return { tokens, uniform: null };
  const [layers, , numExperts] = uniform_YBE.shape;
  const uniform_YPbE = tf.reshape(uniform_YBE, [layers, parts, batch / parts, numExperts]);
  return { tokens, uniform: tf.transpose(uniform_YPbE, [1, 0, 2, 3]) };
}

/** The losses of all parts: scalars are [P], loads [P, E]. */
type LossesOfParts = {
  readonly objective: tf.Tensor;
  readonly lossNats: tf.Tensor;
  readonly auxiliary: Readonly<Record<keyof TrainingLosses["auxiliary"], tf.Tensor>>;
  readonly loads: readonly tf.Tensor[];
  readonly activeExperts?: tf.Tensor;
  readonly routingSums?: tf.Tensor;
};

/** Means of losses and of what routing is known by, sums of loads. */
function ofWhole({ objective, lossNats, auxiliary, loads, activeExperts, routingSums }: LossesOfParts): TrainingLosses {
  const mean = (values_P: tf.Tensor): tf.Scalar => tf.mul(tf.sum<tf.Scalar>(values_P), 1 / values_P.size);
  return {
    objective: mean(objective),
    lossNats: mean(lossNats),
    auxiliary: Object.fromEntries(Object.entries(auxiliary).map(([name, values_P]) => [name, mean(values_P)])),
    loads: loads.map((load_PE) => tf.sum<tf.Tensor1D>(load_PE, 0)),
    ...(activeExperts === undefined ? {} : { activeExperts: mean(activeExperts) }),
    ...(routingSums === undefined ? {} : { routingSums: tf.mean<tf.Tensor2D>(routingSums, 0) }),
  };
}

/** The losses, and the objective's gradient by each parameter. */
function lossesAndGrads(lossesOf: (params: tf.Tensor[]) => TrainingLosses, params: tf.Tensor[]): LossesAndGrads {
  // A gradient gives back one scalar: what else is computed on the way is kept through its tidying.
  const kept: TrainingLosses[] = [];
  const { value, grads } = tf.valueAndGrads((...at) => {
    const losses = lossesOf(at);
    kept.push(mapTensors(losses, (tensor) => tf.keep(tf.clone(tensor))));
    return losses.objective;
  })(params);
  value.dispose();
  const losses = mapTensors(kept[0], (tensor) => tf.clone(tensor));
  tf.dispose([...kept]);
  return { losses, grads };
}

function mapTensors(
  { objective, lossNats, auxiliary, loads, activeExperts, routingSums }: TrainingLosses,
  map: <T extends tf.Tensor>(tensor: T) => T,
): TrainingLosses {
  return {
    objective: map(objective),
    lossNats: map(lossNats),
    auxiliary: Object.fromEntries(Object.entries(auxiliary).map(([name, loss]) => [name, map(loss)])),
    loads: loads.map((load_E) => map(load_E)),
    ...(activeExperts === undefined ? {} : { activeExperts: map(activeExperts) }),
    ...(routingSums === undefined ? {} : { routingSums: map(routingSums) }),
  };
}
