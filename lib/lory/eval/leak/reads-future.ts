import type { ModelConfig } from "../../models";
import type { RoutingMode } from "../../moe";

/** Passes in which a model's losses are taken: as it is evaluated, or as it is trained. They differ for expert choice. */
export type LeakPass = "evaluation" | "training";

type Reads = (config: ModelConfig, pass: LeakPass) => boolean;

const never: Reads = () => false;
/** A mean of one token sees nothing beyond it. */
const throughSegment: Reads = ({ segmentLength, contextLength }) => Math.min(segmentLength, contextLength) > 1;
const throughFirstSegment: Reads = (config, pass) =>
  config.firstSegmentRule === "own_stop_gradient" && throughSegment(config, pass);

const READS_FUTURE = {
  causal_segment: throughFirstSegment,
  running_mean: throughFirstSegment,
  prefix: throughSegment,
  own_segment: throughSegment,
  whole_sequence: ({ contextLength }) => contextLength > 1,
  token_choice: never,
  // What is taken in training depends on all units of the pool; tokens choose by themselves otherwise.
  expert_choice: (config, pass) =>
    pass === "training" || (config.expertChoiceUnit === "segment" && throughFirstSegment(config, pass)),
  remoe: never,
  segment_and_token: throughFirstSegment,
  document_pool: never,
} satisfies Record<RoutingMode, Reads>;

/** Whether a model's output at some position depends on tokens after it, by the rules of its routing. */
export function readsFuture(config: ModelConfig, pass: LeakPass = "evaluation"): boolean {
  return config.numExperts > 0 && READS_FUTURE[config.routingMode](config, pass);
}
