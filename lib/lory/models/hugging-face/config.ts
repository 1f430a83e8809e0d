import { CONFIG_KEYS, EXPERT_KEYS } from "../config-keys";
import { modelConfig, type ModelConfig } from "../config";
import { ROUTING_DEFAULTS } from "../presets";
import { refuseUnknownKeys } from "../refuse-unknown";

type Json = Readonly<Record<string, unknown>>;

/** The file of Python that lets `transformers` run a Lory model; it travels with the checkpoint. */
export const MODELING_MODULE = "modeling_lory";

/** Which model classes read a checkpoint. */
const DENSE_MODEL = { architectures: ["LlamaForCausalLM"], model_type: "llama" };
const LORY_MODEL = {
  architectures: ["LoryForCausalLM"],
  model_type: "lory",
  auto_map: {
    AutoConfig: `${MODELING_MODULE}.LoryConfig`,
    AutoModelForCausalLM: `${MODELING_MODULE}.LoryForCausalLM`,
  },
};

/** Keys of LLaMA's configuration that our models have one value of. */
const fixedKeys = (config: Pick<ModelConfig, "dModel" | "numHeads">): Json => ({
  num_key_value_heads: config.numHeads,
  head_dim: config.dModel / config.numHeads,
  hidden_act: "silu",
  tie_word_embeddings: false,
  attention_bias: false,
  mlp_bias: false,
  attention_dropout: 0,
  pretraining_tp: 1,
  rope_scaling: null,
});

/** What says nothing about the network. */
const IGNORED_KEYS = [
  ...["architectures", "model_type", "auto_map", "_name_or_path", "transformers_version", "use_cache"],
  ...["torch_dtype", "dtype", "bos_token_id", "eos_token_id", "pad_token_id"],
];

/**
 * The content of a checkpoint's `config.json`: LLaMA's if the model is dense, else Lory's, which has a few keys more. `documentMask` is a key of this
 * library's, there where it is set: what else reads a checkpoint takes each text as one document.
 */
export function toHuggingFaceConfig(config: ModelConfig, dtype: "float32" | "bfloat16"): Json {
  const isDense = config.numExperts === 0;
  const expertKeys: readonly string[] = EXPERT_KEYS;
  const keys = (Object.keys(CONFIG_KEYS) as (keyof ModelConfig)[]).filter(
    (key) => (!isDense || !expertKeys.includes(key)) && config[key] !== null,
  );
  return {
    ...(isDense ? DENSE_MODEL : LORY_MODEL),
    ...Object.fromEntries(keys.map((key) => [CONFIG_KEYS[key], config[key]])),
    ...fixedKeys(config),
    torch_dtype: dtype,
  };
}

/**
 * A model's configuration from a checkpoint's `config.json`. Dense models get segments as long as the context, at most 256.
 *
 * @param file for errors
 * @throws Error that names the key that is missing, unknown, or has a value that our models do not have
 */
export function fromHuggingFaceConfig(json: Json, file: string): ModelConfig {
  const { model_type: type } = json;
  if (type !== "llama" && type !== "lory") {
    throw new Error(`${file}: model_type is ${JSON.stringify(type)}: expected "llama" or "lory"`);
  }
  const flat = withRopeKeys(json);
  const numbers = { dModel: flat[CONFIG_KEYS.dModel], numHeads: flat[CONFIG_KEYS.numHeads] };
  for (const key of ["dModel", "numHeads"] as const) {
    if (typeof numbers[key] !== "number") throw new Error(`${file}: ${CONFIG_KEYS[key]} is missing`);
  }
  const fixed = fixedKeys(numbers as Pick<ModelConfig, "dModel" | "numHeads">);
  const keys = Object.keys(CONFIG_KEYS) as (keyof ModelConfig)[];
  refuseUnknownKeys(file, flat, [...Object.values(CONFIG_KEYS), ...Object.keys(fixed), ...IGNORED_KEYS]);
  for (const [key, expected] of Object.entries(fixed)) {
    if (!(key in flat) || flat[key] === expected || (key === "head_dim" && flat[key] === null)) continue;
    throw new Error(`${file}: ${key} is ${JSON.stringify(flat[key])}: only ${JSON.stringify(expected)} is supported`);
  }
  const given = keys.filter((key) => CONFIG_KEYS[key] in flat).map((key) => [key, flat[CONFIG_KEYS[key]]]);
  const config: Partial<ModelConfig> = Object.fromEntries(given) as Partial<ModelConfig>;
  const needed = keys.filter((key) => !(OPTIONAL[type] as readonly string[]).includes(key));
  for (const key of needed) if (!(key in config)) throw new Error(`${file}: ${CONFIG_KEYS[key]} is missing`);
  const dense = { numExperts: 0, segmentLength: Math.min(256, Number(config.contextLength)) };
  try {
    return modelConfig({ ...LLAMA_DEFAULTS, ...(type === "llama" ? dense : {}), ...config });
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Keys that may be missing, by model type: transformers writes only what differs from its defaults. */
const OPTIONAL = {
  llama: ["documentMask", "initStd", "ropeTheta", "normEps", ...EXPERT_KEYS],
  lory: [
    "documentMask",
    "initStd",
    "ropeTheta",
    "normEps",
    "expertLayerStep",
    "denseLayers",
    ...Object.keys(ROUTING_DEFAULTS),
  ],
} as const;

/** LlamaConfig's defaults for keys that may be missing, and those of the presets for Lory's. */
const LLAMA_DEFAULTS = {
  documentMask: null,
  initStd: 0.02,
  ropeTheta: 10_000,
  normEps: 1e-6,
  ...ROUTING_DEFAULTS,
  expertLayerStep: 1,
  denseLayers: [],
} as const;

/** Newer files keep the rotary settings in an object of their own. */
function withRopeKeys(json: Json): Json {
  const { rope_parameters: rope, ...rest } = json;
  if (typeof rope !== "object" || rope === null) return json;
  const { rope_theta, rope_type = "default", ...unknown } = rope as Record<string, unknown>;
  if (rope_type !== "default" || Object.keys(unknown).length > 0) return { ...rest, rope_scaling: rope };
  return { rope_theta, ...rest };
}
