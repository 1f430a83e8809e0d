// Shapes: Y layers with experts, E experts, Q = 1 + 2 E.
import * as tf from "@tensorflow/tfjs-core";
import type { TrainingLosses } from "../models";
import { relativeLoad, routingStatistics } from "../moe";
import type { RoutingLayers, RoutingMetrics, StepMetrics } from "./metrics";

/** What of a step's losses is recorded beside the cross entropy: nothing where the mode assigns no tokens to experts. */
export function routingMetrics(
  { objective, auxiliary, loads, activeExperts }: TrainingLosses,
  l1Coefficient?: tf.Scalar,
): Partial<Record<keyof RoutingMetrics, tf.Scalar>> {
  if (loads.length === 0) return {};
  return {
    objective,
    ...auxiliary,
    maxViolation: meanMaxViolation(loads),
    ...(activeExperts === undefined ? {} : { activeExperts }),
    // The state's own goes on to the next step, which takes its memory.
    ...(l1Coefficient === undefined ? {} : { l1Coefficient: tf.clone(l1Coefficient) }),
  };
}

/** The mean over layers of `max_e load_e / mean load - 1`. */
function meanMaxViolation(loads: readonly tf.Tensor1D[]): tf.Scalar {
  return tf.tidy(() => {
    const violations = loads.map((load_E) => tf.sub(tf.max(relativeLoad(load_E)), 1));
    return tf.mul<tf.Scalar>(tf.addN(violations), 1 / loads.length);
  });
}

/** Lists by layer are recorded in every step whose number is a multiple of this, since they are long. */
const LAYERS_EVERY_STEPS = 10;
/** Steps in which a pair of layer and expert must have had a high weight once to count as used (Lory, Fig. 9). */
const UTILIZATION_STEPS = 10;

/**
 * What is recorded of how a step routed.
 *
 * @param sums_YQ values of `routingSums`
 * @param numLayers Y
 * @param before what was recorded of the steps before
 */
export function routingRecord(
  step: number,
  sums_YQ: ArrayLike<number>,
  numLayers: number,
  before: readonly Pick<StepMetrics, "highExperts">[],
): Partial<RoutingLayers> & Pick<StepMetrics, "utilization" | "highExperts"> {
  const values = Array.from(sums_YQ);
  const width = values.length / numLayers;
  const numExperts = (width - 1) / 2;
  const layers = Array.from({ length: numLayers }, (_, y) =>
    routingStatistics(values.slice(y * width, (y + 1) * width)),
  );
  const highExperts = packedExperts(
    layers.map((layer) => layer?.highExperts ?? []),
    numExperts,
  );
  const window = before.slice(1 - UTILIZATION_STEPS).flatMap((each) => each.highExperts ?? []);
  const used = unpackedExperts([...window, highExperts], numLayers).flat().length;
  const record = { utilization: used / (numLayers * numExperts), highExperts };
  if (step % LAYERS_EVERY_STEPS !== 0) return record;
  const list = (name: keyof RoutingLayers): number[] => layers.map((layer) => rounded(layer?.[name] ?? 0));
  return {
    ...record,
    meanEntropyNats: list("meanEntropyNats"),
    entropyOfMeanNats: list("entropyOfMeanNats"),
    effectiveExperts: list("effectiveExperts"),
    highShare: list("highShare"),
    loadImbalance: list("loadImbalance"),
  };
}

/** A log of many steps stays small: the numbers are of f32, with six digits that can be trusted. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/**
 * Sets of experts by layer as hexadecimal digits: ceil(E / 4) for each layer, the lowest bit of the first one being expert 0.
 *
 * @param experts indices, by layer
 */
export function packedExperts(experts: readonly (readonly number[])[], numExperts: number): string {
  return experts
    .map((ofLayer) => {
      const digits = new Array<number>(Math.ceil(numExperts / 4)).fill(0);
      for (const expert of ofLayer) digits[Math.floor(expert / 4)] += 1 << (expert % 4);
      return digits.map((digit) => digit.toString(16)).join("");
    })
    .join("");
}

/** The experts that are in at least one of the sets that `packedExperts` made, by layer. */
export function unpackedExperts(packed: readonly string[], numLayers: number): number[][] {
  const places = (packed[0]?.length ?? 0) / numLayers;
  return Array.from({ length: numLayers }, (_, y) =>
    Array.from({ length: places }, (__, place) => {
      const bits = packed.reduce((all, each) => all | parseInt(each[y * places + place], 16), 0);
      return [0, 1, 2, 3].filter((bit) => bits & (1 << bit)).map((bit) => 4 * place + bit);
    }).flat(),
  );
}
