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

/** How the layers with experts route, of models that have some. Lists are by layer, from the bottom; their entries are defined at `RoutingStatistics`. */
export interface RoutingLayers {
  readonly meanEntropyNats: readonly number[];
  readonly entropyOfMeanNats: readonly number[];
  readonly effectiveExperts: readonly number[];
  readonly highShare: readonly number[];
  readonly loadImbalance: readonly number[];
}

/** What is known of one training step. */
export interface StepMetrics extends Partial<RoutingMetrics>, Partial<RoutingLayers>, Partial<ExpertMetrics> {
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
  /** `flopsPerToken` at that speed, as percent of the device's peak; null where one of them is unknown. */
  readonly mfuPercent?: number | null;
  /** At that speed; null as long as it is unknown. */
  readonly secondsLeft: number | null;
  /** What the step waited for its batch. */
  readonly dataWaitMs?: number;
  /** Tokens of the batch by domain of the corpus. */
  readonly domainTokens?: readonly number[];
  /** How many checkpoints in a row could not be written, up to this step; only where some could not. */
  readonly failedSaves?: number;
  /** Share of the pairs (layer, expert) that had a weight above 2 / E at least once in the last 10 steps; of models with experts. */
  readonly utilization?: number;
  /** The pairs that had one in this step: see `packedExperts`. */
  readonly highExperts?: string;
}

/** What a field holds, and what its values are called where they leave the process. */
interface Metric {
  /** In `metrics.jsonl` and TensorBoard; OLMo-core's where it has the same quantity. */
  readonly name: string;
  readonly unit: string;
  readonly definition: string;
  /** `layers`, `domains`: a list of numbers, one for each layer with experts, each domain of the corpus; `text`: not a quantity. */
  readonly kind: "number" | "layers" | "domains" | "text";
  /** Absent from steps of runs that do not have it. */
  readonly isOptional?: boolean;
  /** Null while it is not known. */
  readonly isNullable?: boolean;
}

const number = { kind: "number" } as const;
const ofSome = { kind: "number", isOptional: true } as const;
const unknownAtFirst = { kind: "number", isNullable: true } as const;
const layers = { kind: "layers", isOptional: true } as const;

/** Every field of a step: its name in files, unit and definition. */
export const METRICS = {
  step: { ...number, name: "step", unit: "steps", definition: "counted from 1" },
  tokens: { ...number, name: "throughput/total tokens", unit: "tokens", definition: "trained on, this step included" },
  epoch: { ...number, name: "data/epoch", unit: "passes", definition: "over the corpus, begun before this batch" },
  denseWarmup: {
    ...ofSome,
    name: "train/dense warmup",
    unit: "0 or 1",
    definition: "1 while the dense model is trained",
  },
  lossNats: {
    ...number,
    name: "train/CE loss",
    unit: "nats a token",
    definition: "mean cross entropy of the batch, before the update",
  },
  learningRate: { ...number, name: "optim/LR (group 0)", unit: "", definition: "of this step, by the schedule" },
  gradNorm: {
    ...number,
    name: "optim/total grad norm",
    unit: "",
    definition: "global norm of the gradients, before clipping",
  },
  tokensPerSecond: {
    ...unknownAtFirst,
    name: "throughput/device/TPS",
    unit: "tokens a second",
    definition: "predicted tokens of the last 20 steps; no compiling, saving or evaluation is in their time",
  },
  mfuPercent: {
    ...unknownAtFirst,
    isOptional: true,
    name: "throughput/device/MFU",
    unit: "percent",
    definition:
      "operations that the model needs (flopsPerToken: what is merged or computed again, thrown away or filled up does not count) at that " +
      "speed, of the device's peak in the run's precision",
  },
  secondsLeft: { ...unknownAtFirst, name: "throughput/seconds left", unit: "s", definition: "at that speed" },
  dataWaitMs: { ...ofSome, name: "data/wait (ms)", unit: "ms", definition: "what the step waited for its batch" },
  domainTokens: {
    kind: "domains",
    isOptional: true,
    name: "data/domain tokens",
    unit: "tokens",
    definition: "of the batch, by domain of the corpus",
  },
  failedSaves: {
    ...ofSome,
    name: "checkpoint/failed saves",
    unit: "checkpoints",
    definition: "in a row that could not be written",
  },
  objective: {
    ...ofSome,
    name: "train/loss",
    unit: "nats a token",
    definition: "what the gradients are of: cross entropy and auxiliary losses",
  },
  loadBalancing: {
    ...ofSome,
    name: "train/load balancing loss",
    unit: "",
    definition: "before its coefficient: 1 where loads are even",
  },
  routerZ: { ...ofSome, name: "train/router Z loss", unit: "", definition: "before its coefficient" },
  maxViolation: {
    ...ofSome,
    name: "train/load max violation",
    unit: "",
    definition: "largest load over the even one, minus 1; mean over layers",
  },
  activationL1: {
    ...ofSome,
    name: "train/activation L1 loss",
    unit: "",
    definition: "ReMoE's penalty, before its coefficient",
  },
  l1Coefficient: { ...ofSome, name: "train/activation L1 coefficient", unit: "", definition: "of this step" },
  activeExperts: {
    ...ofSome,
    name: "train/active experts",
    unit: "experts",
    definition: "that a token had, on average",
  },
  utilization: {
    ...ofSome,
    name: "routing/utilization",
    unit: "share",
    definition: "of the pairs (layer, expert): those with a weight above 2 / E at least once in the last 10 steps",
  },
  highExperts: {
    kind: "text",
    isOptional: true,
    name: "routing/experts above 2 of E",
    unit: "hexadecimal digits",
    definition: "the pairs (layer, expert) with a weight above 2 / E in this step, 4 experts a digit",
  },
  meanEntropyNats: {
    ...layers,
    name: "routing/mean entropy",
    unit: "nats",
    definition: "mean over units of the entropy of their weights",
  },
  entropyOfMeanNats: {
    ...layers,
    name: "routing/entropy of the mean",
    unit: "nats",
    definition: "entropy of the mean weights",
  },
  effectiveExperts: {
    ...layers,
    name: "routing/effective experts",
    unit: "experts",
    definition: "exp of the entropy of the mean weights",
  },
  highShare: {
    ...layers,
    name: "routing/share above 2 of E",
    unit: "share",
    definition: "of the pairs (unit, expert) with a weight above 2 / E",
  },
  loadImbalance: {
    ...layers,
    name: "routing/load imbalance",
    unit: "",
    definition: "largest mean weight over the even one, minus 1",
  },
  routerGradNorms: {
    ...layers,
    name: "experts/router grad norms",
    unit: "",
    definition: "norm of the gradient of the layer's routers, before clipping",
  },
  expertDistances: {
    ...layers,
    name: "experts/relative distances",
    unit: "",
    definition: "how far the layer's experts lie apart (expertDistance), before the update",
  },
} as const satisfies Record<keyof StepMetrics, Metric>;

const FIELDS = Object.entries<Metric>(METRICS) as [keyof StepMetrics, Metric][];

/** A step's metrics by the names that they have in files. */
export function metricsValues(metrics: StepMetrics): Record<string, unknown> {
  return Object.fromEntries(FIELDS.map(([field, { name }]) => [name, metrics[field]]));
}

/** A step's metrics as one line of JSON, with the line's end. */
export function metricsLine(metrics: StepMetrics): string {
  return `${JSON.stringify(metricsValues(metrics))}\n`;
}

/** @throws if the line is not what `metricsLine` writes */
export function parseMetricsLine(line: string): StepMetrics {
  const values = JSON.parse(line) as Record<string, unknown> | null;
  const entries = FIELDS.flatMap(([field, metric]): [string, unknown][] => {
    const value = values?.[metric.name];
    if (value === undefined && metric.isOptional) return [];
    if (VALUES[metric.kind](value) || (value === null && metric.isNullable)) return [[field, value]];
    throw new Error(`"${metric.name}" is ${JSON.stringify(value)}`);
  });
  return Object.fromEntries(entries) as unknown as StepMetrics;
}

const VALUES = {
  number: (value) => typeof value === "number",
  text: (value) => typeof value === "string",
  layers: isNumbers,
  domains: isNumbers,
} as const satisfies Record<Metric["kind"], (value: unknown) => boolean>;

function isNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === "number");
}
