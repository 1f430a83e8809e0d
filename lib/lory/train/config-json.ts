import { CONFIG_KEYS } from "../models/config-keys";
import type { BatchingConfig, EmbeddingConfig } from "../data";
import type { DenseWarmupConfig, EvaluationConfig, OptimizerConfig, RunConfig, RunConfigInput } from "./run-config";

/** As in Hugging Face's TrainingArguments where it has the quantity. */
export const OPTIMIZER_KEYS = {
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

const EVALUATION_KEYS = {
  everyTokens: "every_tokens",
  windows: "windows",
} as const satisfies Record<keyof EvaluationConfig, string>;

/** All keys of all members of a union. */
type KeysOf<T> = T extends unknown ? keyof T : never;

/** Of every order; a configuration has those of its own. */
const BATCHING_KEYS = {
  order: "order",
  embedding: "embedding",
  neighbours: "neighbours",
  search: "search",
  pathLength: "path_length",
  bufferDocuments: "buffer_documents",
  queryTerms: "query_terms",
  file: "file",
} as const satisfies Record<KeysOf<BatchingConfig>, string>;

/** Of every encoder. */
const EMBEDDING_KEYS = {
  encoder: "encoder",
  dimension: "dimension",
  model: "model",
  chunkCharacters: "chunk_characters",
  chunkTokens: "chunk_tokens",
  maxChunks: "max_chunks",
} as const satisfies Record<KeysOf<EmbeddingConfig>, string>;

export const RUN_KEYS = {
  name: "name",
  model: "model",
  corpus: "corpus",
  seed: "seed",
  batching: "batching",
  batchSize: "batch_size",
  accumulation: "gradient_accumulation_steps",
  trainTokens: "train_tokens",
  precision: "precision",
  merges: "merges",
  deterministic: "full_determinism",
  optimizer: "optimizer",
  denseWarmup: "dense_warmup",
  evaluation: "evaluation",
  emaDecay: "ema_decay",
} as const satisfies Record<keyof RunConfig, string>;

/** Parts with keys of their own. */
const PART_KEYS = {
  model: CONFIG_KEYS,
  optimizer: OPTIMIZER_KEYS,
  batching: BATCHING_KEYS,
  denseWarmup: WARMUP_KEYS,
  evaluation: EVALUATION_KEYS,
} as const satisfies Partial<Record<keyof RunConfig, Readonly<Record<string, string>>>>;

/** A run's configuration as its `config.json`: complete, and the same text for the same configuration. */
export function configJson(config: RunConfig): string {
  const json = renamed(config, RUN_KEYS, {
    model: renamed(config.model, PART_KEYS.model),
    batching: batchingJson(config.batching),
    optimizer: renamed(config.optimizer, PART_KEYS.optimizer),
    denseWarmup: config.denseWarmup && renamed(config.denseWarmup, PART_KEYS.denseWarmup),
    evaluation: config.evaluation && renamed(config.evaluation, PART_KEYS.evaluation),
  });
  return `${JSON.stringify(json, null, 2)}\n`;
}

function batchingJson(batching: BatchingConfig): Record<string, unknown> {
  const embedding = "embedding" in batching ? { embedding: renamed(batching.embedding, EMBEDDING_KEYS) } : {};
  return renamed<Partial<Record<keyof typeof BATCHING_KEYS, unknown>>>({ ...batching, ...embedding }, BATCHING_KEYS);
}

/**
 * A run's configuration as a person writes it, or as `config.json` of a run directory: a key may have its name here or the
 * one in the file. What the values are is for `runConfig` to check.
 *
 * @throws TypeError if it is not an object, or if a key is given under both of its names
 */
export function configFromJson(json: unknown): RunConfigInput {
  const config = unrenamed("a run's configuration", json, RUN_KEYS);
  for (const [part, keys] of Object.entries(PART_KEYS)) {
    if (config[part] !== undefined && config[part] !== null && typeof config[part] !== "string")
      config[part] = unrenamed(`the ${part} of a run's configuration`, config[part], keys);
  }
  const { batching } = config;
  if (typeof batching === "object" && batching !== null && "embedding" in batching) {
    const { embedding } = batching;
    if (typeof embedding === "object")
      config.batching = { ...batching, embedding: unrenamed("the embedding of a batching", embedding, EMBEDDING_KEYS) };
  }
  return config as unknown as RunConfigInput;
}

/** The object with the names that its keys have here. */
function unrenamed(what: string, value: unknown, keys: Readonly<Record<string, string>>): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} is an object, not ${JSON.stringify(value)}`);
  }
  const names = new Map(Object.entries(keys).map(([name, inFile]) => [inFile, name]));
  const entries = Object.entries(value).map(([key, entry]): [string, unknown] => [names.get(key) ?? key, entry]);
  const twice = entries.find(([key], i) => entries.findIndex(([other]) => other === key) !== i);
  if (twice)
    throw new TypeError(`${what} has the key "${twice[0]}" twice, once as "${keys[twice[0]]}": give one of both`);
  return Object.fromEntries(entries);
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
