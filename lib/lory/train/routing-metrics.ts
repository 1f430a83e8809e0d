// Shapes: E experts.
import * as tf from "@tensorflow/tfjs-core";
import type { TrainingLosses } from "../models";
import { relativeLoad } from "../moe";
import type { RoutingMetrics } from "./metrics";

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
