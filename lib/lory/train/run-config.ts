import { batchingConfig, type BatchingConfig, type BatchingInput } from "../data";
import { MERGE_MEMORY, type MergeMemory } from "../moe";
import { modelConfig, type ModelConfig, type ModelConfigInput } from "../models";
import { beta, checked, count, defined, fraction, isRecord, number, oneOf, positive, record } from "./config-rules";
import { recordOrNull, truth, type Rules } from "./config-rules";

/** AdamW, its schedule and the clipping of gradients. */
export interface OptimizerConfig {
  /** The schedule's peak. */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Decoupled, of tensors with two or more axes. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm when theirs is larger. */
  readonly clipNorm: number;
  /** Share of all steps in which the learning rate rises linearly to its peak. */
  readonly warmupFraction: number;
  /** What the cosine ends at, as a share of the peak. */
  readonly finalFraction: number;
}

/**
 * A start as the dense model of the same active size, whose FFN is then copied into every expert (Lory, section 4.1). Routers are new at the
 * copy, the learning rate's schedule goes on. Copied experts are equal, and give the router no gradient until something tells them apart.
 */
export interface DenseWarmupConfig {
  /** Share of all steps in which the dense model is trained; the paper's is 0.05. */
  readonly fraction: number;
  /**
   * AdamW at the copy: `fresh` begins anew, as in the paper's reading here; `kept` copies the running means with the weights, those of an FFN into
   * every expert, and starts new tensors with means of 0. An expert's gradient is about 1 / E of its FFN's before, so that its steps are small until
   * the kept means are forgotten.
   */
  readonly optimizerState: (typeof WARMUP_OPTIMIZER_STATES)[number];
  /** Deviation of the normal noise that is added to each expert's copy, in deviations of the copied matrix; 0 adds none. */
  readonly noise: number;
  /** Share of each expert's hidden units that is drawn anew (Drop-Upcycling, arXiv 2502.19261); 0 copies all. */
  readonly reinitializedShare: number;
}

/** When a model is evaluated while it is trained, and on how much. */
export interface EvaluationConfig {
  /** After the first step with which so many more tokens have been trained on, and after the last. */
  readonly everyTokens: number;
  /** Windows of each domain at most. */
  readonly windows: number;
}

/** What becomes of the optimizer's state where a dense warm-up ends. */
export const WARMUP_OPTIMIZER_STATES = ["fresh", "kept"] as const;

/** Everything that determines a training, beside the corpus's content and the library's code. */
export interface RunConfig {
  /** First part of the run directory's name. */
  readonly name: string;
  readonly model: ModelConfig;
  /** A corpus's name, or the path of its directory. */
  readonly corpus: string;
  /** Of the initial parameters and of the order of documents. */
  readonly seed: number;
  /** In which order documents are put together to training sequences; shuffled by the seed by default. See `BatchingConfig`. */
  readonly batching: BatchingConfig;
  /** Sequences a step. */
  readonly batchSize: number;
  /**
   * Parts of equal size that a step's sequences pass the device in, one after the other, for less memory. What is learned is that of the
   * whole batch, up to rounding; 1, the default, is one part.
   */
  readonly accumulation: number;
  /** Budget: as many whole batches are trained as fit in. */
  readonly trainTokens: number;
  /**
   * Of the products of matrices in the loss and its gradients: `f32` as the device takes it (TF32 on NVIDIA's GPUs), or `bf16`
   * factors and results with sums in f32. Parameters, optimizer, softmax, norms and reductions are f32 in both. Backends other than `xla` compute in f32.
   */
  readonly precision: (typeof RUN_PRECISIONS)[number];
  /** Whether a step keeps the merged weights of each segment and layer, or merges again in the backward pass: see `MERGE_MEMORY`. */
  readonly merges: MergeMemory;
  /** Whether GPUs compute the same bits each time, more slowly; CPUs do so anyway. `XLA_DETERMINISTIC=1` asks it of every program. */
  readonly deterministic: boolean;
  readonly optimizer: OptimizerConfig;
  /** Null, the default, for none: the model with experts is trained from its first step. */
  readonly denseWarmup: DenseWarmupConfig | null;
  /** Null, the default, for none: the model is not evaluated while it is trained. */
  readonly evaluation: EvaluationConfig | null;
  /** Decay of the running mean of the weights that is kept beside them, see `Run.params`; 0, the default, keeps none. */
  readonly emaDecay: number;
}

/** What a run's `precision` may be. */
export const RUN_PRECISIONS = ["f32", "bf16"] as const;

/** What a caller has to say; the rest has defaults. */
export type RunConfigInput = Pick<RunConfig, "name" | "batchSize" | "trainTokens"> &
  Partial<
    Pick<RunConfig, "corpus" | "seed" | "accumulation" | "precision" | "merges" | "deterministic" | "emaDecay">
  > & {
    readonly model: ModelConfigInput;
    readonly batching?: BatchingInput;
    readonly denseWarmup?: Partial<DenseWarmupConfig> | null;
    readonly evaluation?: (Pick<EvaluationConfig, "everyTokens"> & Partial<EvaluationConfig>) | null;
    readonly optimizer: Pick<OptimizerConfig, "learningRate"> & Partial<OptimizerConfig>;
  };

const RUN_RULES: Rules<RunConfig> = {
  name: {
    expected:
      "a directory name of at most 64 letters, digits, dots, dashes and underscores, not starting with a dot or dash",
    holds: (value) => typeof value === "string" && /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(value),
  },
  model: record,
  corpus: { expected: "a corpus name or directory", holds: (value) => typeof value === "string" && value !== "" },
  seed: number(
    "a whole number from 0 to 2^31 - 1",
    (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
  ),
  batching: {
    expected: "the name of an order, or an object with one",
    holds: (value) => typeof value === "string" || isRecord(value),
  },
  batchSize: count,
  accumulation: count,
  trainTokens: count,
  precision: oneOf(RUN_PRECISIONS),
  merges: oneOf(MERGE_MEMORY),
  deterministic: truth,
  optimizer: record,
  denseWarmup: recordOrNull,
  evaluation: recordOrNull,
  emaDecay: beta,
};

const OPTIMIZER_RULES: Rules<OptimizerConfig> = {
  learningRate: positive,
  beta1: beta,
  beta2: beta,
  eps: positive,
  weightDecay: number("a number of at least 0", (value) => value >= 0),
  clipNorm: positive,
  warmupFraction: fraction,
  finalFraction: fraction,
};

const WARMUP_RULES: Rules<DenseWarmupConfig> = {
  fraction,
  optimizerState: oneOf(WARMUP_OPTIMIZER_STATES),
  noise: number("a number of at least 0", (value) => value >= 0),
  reinitializedShare: fraction,
};

const EVALUATION_RULES: Rules<EvaluationConfig> = { everyTokens: count, windows: count };

const EVALUATION_DEFAULTS = { windows: 16 } as const satisfies Omit<EvaluationConfig, "everyTokens">;

/** The paper's warm-up (section 4.1), and the readings of what it leaves open: experts are copies, the optimizer begins anew. */
const WARMUP_DEFAULTS = {
  fraction: 0.05,
  optimizerState: "fresh",
  noise: 0,
  reinitializedShare: 0,
} as const satisfies DenseWarmupConfig;

/** The paper's betas (section 4.1); what it does not print is this project's reading: see the field's docs. */
const OPTIMIZER_DEFAULTS = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupFraction: 0.05,
  finalFraction: 0.1,
} as const satisfies Omit<OptimizerConfig, "learningRate">;

/**
 * A complete, checked run configuration.
 *
 * @throws an error that names the key: unknown, missing, of a wrong type or out of range; or a budget below one batch
 */
export function runConfig(input: RunConfigInput): RunConfig {
  const given = {
    corpus: "quickstart",
    seed: 0,
    batching: "random" as const,
    precision: "f32" as const,
    merges: "keep" as const,
    deterministic: false,
    accumulation: 1,
    denseWarmup: null,
    evaluation: null,
    emaDecay: 0,
    ...defined(input),
  };
  const { model, batching, optimizer, denseWarmup, evaluation, ...rest } = checked(
    "a run's configuration",
    given,
    RUN_RULES,
  );
  const config: RunConfig = {
    ...rest,
    model: modelConfig(model),
    batching: batchingConfig(batching),
    optimizer: checked("a run's optimizer", { ...OPTIMIZER_DEFAULTS, ...defined(optimizer) }, OPTIMIZER_RULES),
    denseWarmup:
      denseWarmup && checked("a dense warm-up", { ...WARMUP_DEFAULTS, ...defined(denseWarmup) }, WARMUP_RULES),
    evaluation:
      evaluation && checked("an evaluation", { ...EVALUATION_DEFAULTS, ...defined(evaluation) }, EVALUATION_RULES),
  };
  if (totalSteps(config) < 1) {
    throw new RangeError(
      `trainTokens is ${config.trainTokens}, a batch has ${tokensPerStep(config)} tokens ` +
        `(batchSize ${config.batchSize} x contextLength ${config.model.contextLength}): give at least one batch`,
    );
  }
  checkAccumulation(config);
  checkWarmup(config);
  return config;
}

/** Tokens that are predicted in one step. */
export function tokensPerStep(config: Pick<RunConfig, "batchSize" | "model">): number {
  return config.batchSize * config.model.contextLength;
}

/** Steps of the whole training: the batches that fit in the budget. */
export function totalSteps(config: Pick<RunConfig, "trainTokens" | "batchSize" | "model">): number {
  return Math.floor(config.trainTokens / tokensPerStep(config));
}

/** Steps of the dense model that come before those with experts; 0 without a dense warm-up. */
export function denseWarmupSteps(
  config: Pick<RunConfig, "denseWarmup" | "trainTokens" | "batchSize" | "model">,
): number {
  return Math.round((config.denseWarmup?.fraction ?? 0) * totalSteps(config));
}

function checkAccumulation({ accumulation, batchSize, model }: RunConfig): void {
  if (batchSize % accumulation !== 0) {
    throw new RangeError(
      `accumulation is ${accumulation}, batchSize ${batchSize}: a step's sequences are cut into parts of equal size, so that batchSize must be a multiple`,
    );
  }
  const { numExperts, routingMode, expertChoicePool } = model;
  if (accumulation > 1 && numExperts > 0 && routingMode === "expert_choice" && expertChoicePool === "batch") {
    throw new Error(
      `accumulation is ${accumulation}, expertChoicePool "batch": experts take from all units of a step, of which a part sees its own alone. ` +
        `Set expertChoicePool to "sequence", or accumulation to 1`,
    );
  }
}

function checkWarmup(config: RunConfig): void {
  if (config.denseWarmup === null) return;
  if (config.model.numExperts === 0) {
    throw new Error("denseWarmup is set, numExperts is 0: there are no experts for the dense FFN to be copied into");
  }
  const [steps, all] = [denseWarmupSteps(config), totalSteps(config)];
  if (steps < 1 || steps >= all) {
    throw new RangeError(
      `fraction is ${config.denseWarmup.fraction} in a dense warm-up: that is ${steps} of ${all} steps, expected 1 to ${all - 1}`,
    );
  }
}
