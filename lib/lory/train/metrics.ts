import type { ExpertMetrics } from "./expert-metrics";

/** What is known of the routing in one training step, in modes that assign tokens to experts; means over layers. */
export interface RoutingMetrics {
  /** What the gradients were taken of: the cross entropy and the auxiliary losses, times their coefficients. */
  readonly objective: number;
  /** Before its coefficient: 1 where experts have even loads. */
  readonly loadBalancing: number;
  /** Before its coefficient. */
  readonly routerZ: number;
  /** Before its coefficient: the penalty of `remoe`, and that coefficient in this step. */
  readonly activationL1: number;
  readonly l1Coefficient: number;
  /** `remoe`: experts that a token had on average. */
  readonly activeExperts: number;
  /** How far the largest load of an expert exceeds the even one, as a share of that (Wang et al. 2024, arXiv 2408.15664, MaxVio). */
  readonly maxViolation: number;
}

/** What is known of one training step. */
export interface StepMetrics extends Partial<RoutingMetrics>, Partial<ExpertMetrics> {
  /** Counted from 1. */
  readonly step: number;
  /** Tokens trained on, this step included. */
  readonly tokens: number;
  /** Passes over the corpus begun before this batch: 0 while every token is new. */
  readonly epoch: number;
  /** In runs with a dense warm-up: 1 in its steps, which train the dense model, and 0 after the copy into experts. */
  readonly denseWarmup?: number;
  /** Mean cross entropy of the step's batch before its update. */
  readonly lossNats: number;
  readonly learningRate: number;
  /** Global norm of the gradients, before clipping. */
  readonly gradNorm: number;
  /** Over the last steps, without compiling and saving; null until two steps have ended. */
  readonly tokensPerSecond: number | null;
  /** At that speed; null as long as it is unknown. */
  readonly secondsLeft: number | null;
  /** What the step waited for its batch. */
  readonly dataWaitMs?: number;
  /** Tokens of the batch by domain of the corpus. */
  readonly domainTokens?: readonly number[];
  /** How many checkpoints in a row could not be written, up to this step; only where some could not. */
  readonly failedSaves?: number;
}

/** The fields' names in `metrics.jsonl`; OLMo-core's where it has the same quantity. */
export const METRIC_NAMES = {
  step: "step",
  tokens: "throughput/total tokens",
  epoch: "data/epoch",
  denseWarmup: "train/dense warmup",
  lossNats: "train/CE loss",
  learningRate: "optim/LR (group 0)",
  gradNorm: "optim/total grad norm",
  tokensPerSecond: "throughput/device/TPS",
  secondsLeft: "throughput/seconds left",
  dataWaitMs: "data/wait (ms)",
  domainTokens: "data/domain tokens",
  failedSaves: "checkpoint/failed saves",
  objective: "train/loss",
  loadBalancing: "train/load balancing loss",
  routerZ: "train/router Z loss",
  maxViolation: "train/load max violation",
  activationL1: "train/activation L1 loss",
  l1Coefficient: "train/activation L1 coefficient",
  activeExperts: "train/active experts",
  routerGradNorms: "experts/router grad norms",
  expertDistances: "experts/relative distances",
} as const satisfies Record<keyof StepMetrics, string>;

/** Fields that steps of other modes do not have. */
const ROUTING_METRICS = [
  ...(["objective", "loadBalancing", "routerZ", "maxViolation"] as const),
  ...(["activationL1", "l1Coefficient", "activeExperts"] as const),
] satisfies (keyof RoutingMetrics)[];

/** Fields with several numbers: for each layer with experts, which steps of dense models do not have, others not always; and for each domain. */
const LISTS: readonly (keyof StepMetrics)[] = [
  ...(["routerGradNorms", "expertDistances"] satisfies (keyof ExpertMetrics)[]),
  "domainTokens",
];
/** Fields that records of earlier versions do not have. */
const LATER: readonly (keyof StepMetrics)[] = ["dataWaitMs"];

const FIELDS = Object.keys(METRIC_NAMES) as (keyof StepMetrics)[];
const OPTIONAL: readonly (keyof StepMetrics)[] = ["denseWarmup", "failedSaves", ...ROUTING_METRICS, ...LATER, ...LISTS];
const NULLABLE: readonly (keyof StepMetrics)[] = ["tokensPerSecond", "secondsLeft"];

/** A step's metrics as one line of JSON, with the line's end. */
export function metricsLine(metrics: StepMetrics): string {
  return `${JSON.stringify(Object.fromEntries(FIELDS.map((field) => [METRIC_NAMES[field], metrics[field]])))}\n`;
}

/** @throws if the line is not what `metricsLine` writes */
export function parseMetricsLine(line: string): StepMetrics {
  const values = JSON.parse(line) as Record<string, unknown> | null;
  const entries = FIELDS.flatMap((field): [string, number | null | number[]][] => {
    const value = values?.[METRIC_NAMES[field]];
    if (value === undefined && OPTIONAL.includes(field)) return [];
    if (LISTS.includes(field) && isNumbers(value)) return [[field, value]];
    if (typeof value === "number" || (value === null && NULLABLE.includes(field))) return [[field, value]];
    throw new Error(`"${METRIC_NAMES[field]}" is ${JSON.stringify(value)}`);
  });
  return Object.fromEntries(entries) as unknown as StepMetrics;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => typeof each === "number");
}
