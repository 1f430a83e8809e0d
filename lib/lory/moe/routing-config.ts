import type { FirstSegmentRule } from "./first-segment";
import { SEGMENT_ROUTING_MODES, type SegmentRoutingMode } from "./segment-routing";
import { segmentation } from "./segments";

/** How a layer of experts is routed: by segments, whose experts are merged, or token by token. */
export const ROUTING_MODES = [
  ...SEGMENT_ROUTING_MODES,
  /** Each token by itself, through the few experts of its highest scores (Mixtral, Jiang et al. 2024, arXiv 2401.04088). */
  "token_choice",
  /** Experts take the units of their highest scores in training, units their experts at inference (Lory, Fig. 5). */
  "expert_choice",
  /** Each token through the experts whose logits are positive (ReMoE, Wang et al. 2025, arXiv 2412.14711). */
  "remoe",
  /** A part of each expert merged by segments, the rest chosen by tokens: as much work a token as either. */
  "segment_and_token",
  /** Token choice among the experts that the segments before favoured (EMO, arXiv 2605.06663, made causal). */
  "document_pool",
] as const;
export type RoutingMode = (typeof ROUTING_MODES)[number];

/** Over what the load-balancing loss takes its shares. */
export const LOAD_BALANCING_SCOPES = [
  /** All tokens of a step (Qiu et al. 2025, arXiv 2501.11873). */
  "global_batch",
  /** The tokens of each sequence; the mean of the sequences' losses. */
  "sequence",
] as const;
export type LoadBalancingScope = (typeof LOAD_BALANCING_SCOPES)[number];

/** What experts take in expert choice. */
export const EXPERT_CHOICE_UNITS = ["segment", "token"] as const;
export type ExpertChoiceUnit = (typeof EXPERT_CHOICE_UNITS)[number];

/** What they take it from: all units of a step, or those of each sequence. */
export const EXPERT_CHOICE_POOLS = ["batch", "sequence"] as const;
export type ExpertChoicePool = (typeof EXPERT_CHOICE_POOLS)[number];

/** The keys of a model's configuration that say how its experts are routed. */
export interface RoutingConfig {
  /** T, tokens a segment. */
  readonly segmentLength: number;
  /** How the routing weights of a layer come about. */
  readonly routingMode: RoutingMode;
  /** What routes segment 1, in the modes that leave it open. */
  readonly firstSegmentRule: FirstSegmentRule;
  /** K, experts that a token passes where it chooses them itself; in `remoe` what their mean number is driven to. */
  readonly numExpertsPerTok: number;
  /**
   * Whether the weights of a token's experts are a softmax over those alone, and sum to 1 (Mixtral), or over all experts (Lory, Eq. 1). A
   * single expert has the weight 1 in the first case, so that the router learns by auxiliary losses alone.
   */
  readonly normTopkProb: boolean;
  /** Expert choice: experts that take a unit on average in training; each takes this many times its even share. */
  readonly capacityFactor: number;
  /** Expert choice: what is taken. */
  readonly expertChoiceUnit: ExpertChoiceUnit;
  /** Expert choice: from what it is taken. */
  readonly expertChoicePool: ExpertChoicePool;
  /** `segment_and_token`: share of an expert's hidden units that is merged by segments. */
  readonly segmentShare: number;
  /** `document_pool`: experts a pool. */
  readonly expertPoolSize: number;
  /** `remoe`: the coefficient of the L1 penalty before the first step. */
  readonly l1InitialCoef: number;
  /** `remoe`: what a step multiplies that coefficient by, or divides it by. */
  readonly l1CoefMultiplier: number;
  /** `whole_sequence`: probability with which training leaves an expert out of a row's merge (SMEAR); evaluation leaves out none. */
  readonly expertDropout: number;
  /** What the load-balancing loss is multiplied by in the training objective; 0 leaves it out. */
  readonly routerAuxLossCoef: number;
  /** Over what that loss takes its shares. */
  readonly loadBalancingScope: LoadBalancingScope;
  /** What the router's z loss is multiplied by in the training objective; 0 leaves it out. */
  readonly routerZLossCoef: number;
  /**
   * What each step adds to or takes from the bias by which an expert's score is raised for selection, and for nothing else (Wang et al. 2024,
   * arXiv 2408.15664); 0 is no bias.
   */
  readonly routerBiasUpdateRate: number;
}

/** Modes whose experts are merged, so that one merge can serve a whole prompt. */
export function mergesExperts(mode: RoutingMode): mode is SegmentRoutingMode {
  return SEGMENT_ROUTING_MODES.some((each) => each === mode);
}

/** Whether one routing decision a layer can serve a whole prompt, since segments are routed and not tokens. */
export function routesPrompts({ routingMode, expertChoiceUnit }: RoutingConfig): boolean {
  if (routingMode === "expert_choice") return expertChoiceUnit === "segment";
  return mergesExperts(routingMode) || routingMode === "segment_and_token";
}

/** Tokens that share a row of routing weights: 1 where tokens are routed one by one. */
export function routedUnitLength(config: RoutingConfig, contextLength: number): number {
  if (config.routingMode === "whole_sequence") return contextLength;
  return routesPrompts(config) && config.routingMode !== "segment_and_token"
    ? Math.min(config.segmentLength, contextLength)
    : 1;
}

/** Tokens of each unit that is routed alike, in a sequence of `length` tokens: a last segment may be short. */
export function unitTokens(config: RoutingConfig, length: number): number[] {
  const { count, length: full, lastLength } = segmentation(length, routedUnitLength(config, length));
  return Array.from({ length: count }, (_, n) => (n === count - 1 ? lastLength : full));
}
