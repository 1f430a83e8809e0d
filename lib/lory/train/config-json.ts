import { CONFIG_KEYS } from "../models/config-keys";
import type { DenseWarmupConfig, OptimizerConfig, RunConfig } from "./run-config";

/** As in Hugging Face's TrainingArguments where it has the quantity. */
const OPTIMIZER_KEYS = {
  learningRate: "learning_rate",
  beta1: "adam_beta1",
  beta2: "adam_beta2",
  eps: "adam_epsilon",
  weightDecay: "weight_decay",
  clipNorm: "max_grad_norm",
  warmupFraction: "warmup_ratio",
  finalFraction: "min_lr_ratio",
} as const satisfies Record<keyof OptimizerConfig, string>;

const WARMUP_KEYS = {
  fraction: "fraction",
  optimizerState: "optimizer_state",
  noise: "noise",
  reinitializedShare: "reinitialized_share",
} as const satisfies Record<keyof DenseWarmupConfig, string>;

const RUN_KEYS = {
  name: "name",
  model: "model",
  corpus: "corpus",
  seed: "seed",
  batchSize: "batch_size",
  accumulation: "gradient_accumulation_steps",
  trainTokens: "train_tokens",
  precision: "precision",
  merges: "merges",
  optimizer: "optimizer",
  denseWarmup: "dense_warmup",
  emaDecay: "ema_decay",
} as const satisfies Record<keyof RunConfig, string>;

/** A run's configuration as its `config.json`: complete, and the same text for the same configuration. */
export function configJson(config: RunConfig): string {
  const json = renamed(config, RUN_KEYS, {
    model: renamed(config.model, CONFIG_KEYS),
    optimizer: renamed(config.optimizer, OPTIMIZER_KEYS),
    denseWarmup: config.denseWarmup && renamed(config.denseWarmup, WARMUP_KEYS),
  });
  return `${JSON.stringify(json, null, 2)}\n`;
}

/** The object with its keys renamed, in the table's order. */
function renamed<T extends object>(
  value: T,
  keys: Record<keyof T, string>,
  replaced: Partial<Record<keyof T, unknown>> = {},
): Record<string, unknown> {
  const known = Object.keys(keys) as (keyof T)[];
  return Object.fromEntries(known.map((key) => [keys[key], replaced[key] ?? value[key]]));
}
