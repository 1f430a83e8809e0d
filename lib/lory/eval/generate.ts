// Shapes: L context, V vocabulary; B = 1.
import { setImmediate as eventLoopTurn } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { Tokenizer } from "../data";
import { disposeMerged, forward, mergeForPrompt, refuseUnknownKeys } from "../models";
import type { FfnParams, ModelConfig, Params } from "../models";
import { mergesExperts, routesPrompts, type Pass } from "../moe";
import { sampleToken, uniformNumbers, type SamplingOptions } from "./sampling";
import { textStream } from "./text-stream";

export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Default 64. */
  readonly maxNewTokens?: number;
  /** Of the draws: the same seed, model and prompt give the same text. Default 0. */
  readonly seed?: number;
  /** Ends the generation after the token in hand. */
  readonly signal?: AbortSignal;
}

/** Why a generation ended. */
export type StopReason = "end_of_document" | "max_new_tokens" | "context_end" | "aborted";

/** The FFNs that a prompt's routing merges, one for each layer. */
const mergedFfns = jit(
  (params: Params, tokens_1L: tf.Tensor2D, promptLength_1: tf.Tensor1D, config: ModelConfig): FfnParams[] =>
    mergeForPrompt(params, tokens_1L, promptLength_1, config).layers.map(({ ffn }) => ffn),
  { name: "merge for a prompt" },
);

/** The logits of the token after `position`; what lies behind it has no effect. Segments are routed by the prompt, where its length is given. */
const nextLogits = jit(
  (
    params: Params,
    tokens_1L: tf.Tensor2D,
    position_1: tf.Tensor1D,
    promptLength_B: tf.Tensor1D | null,
    config: ModelConfig,
  ): tf.Tensor1D => {
    const pass: Pass = promptLength_B === null ? { kind: "evaluation" } : { kind: "prompt", promptLength_B };
    const { logits_BLV } = forward(params, tokens_1L, config, pass);
    const logits_LV: tf.Tensor2D = tf.reshape(logits_BLV, [-1, config.vocabSize]);
    return tf.reshape(tf.gather(logits_LV, position_1), [-1]);
  },
  { name: "next token's logits" },
);

/**
 * Continues a prompt, with prompt-only routing (Lory, section 3.1): one routing decision a layer, from the prompt; the experts
 * are merged once, and every token costs what the dense model's costs. A model whose experts are not merged is run as it is, its segments
 * routed by the prompt. The whole context is computed anew for each token, by one compiled program.
 *
 * @returns yields the new text piece by piece, never a part of a character; its return value says why it ended
 * @throws an error for a prompt that is empty or longer than the context, and for a bad option
 */
export async function* generate(
  params: Params,
  config: ModelConfig,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions = {},
): AsyncGenerator<string, StopReason, undefined> {
  const { maxNewTokens, seed, ...sampling } = checkedOptions(options);
  const ids = await promptTokens(prompt, tokenizer, config);
  const maxLength = ids.length + maxNewTokens;
  const uniform = uniformNumbers(seed);
  const text = textStream((fresh) => tokenizer.decode(fresh));
  const merged = mergedFor(params, ids, config);
  const routedBy =
    config.numExperts > 0 && !mergesExperts(config.routingMode) && routesPrompts(config) ? ids.length : null;

  const nextToken = async (): Promise<number | StopReason> => {
    if (options.signal?.aborted) return "aborted";
    if (ids.length === maxLength) return "max_new_tokens";
    if (ids.length === config.contextLength) return "context_end";
    // A vocabulary larger than the tokenizer's is padding: those logits mean nothing.
    const logits = (await logitsAfter(merged, ids, routedBy, config)).subarray(0, tokenizer.vocabSize);
    const id = sampleToken(logits, sampling, uniform());
    return id === tokenizer.endOfDocument ? "end_of_document" : id;
  };
  try {
    for (;;) {
      const next = await nextToken();
      const piece = typeof next === "number" ? text.push(next) : text.end();
      if (piece !== "") yield piece;
      if (typeof next !== "number") return next;
      ids.push(next);
      await eventLoopTurn();
    }
  } finally {
    disposeMerged(merged, params);
  }
}

/** The parameters with the experts merged for a prompt; the model's own where it is dense, or routes token by token. */
function mergedFor(params: Params, ids: readonly number[], config: ModelConfig): Params {
  if (config.numExperts === 0 || !mergesExperts(config.routingMode)) return params;
  return tf.tidy(() => {
    const ffns = mergedFfns(params, paddedTokens(ids, config), tf.tensor1d([ids.length], "int32"), config);
    return { ...params, layers: params.layers.map((layer, i) => ({ ...layer, ffn: ffns[i] })) };
  });
}

/** The logits of the next token; `promptLength` where the prompt routes segments, without merging experts. */
async function logitsAfter(
  params: Params,
  ids: readonly number[],
  promptLength: number | null,
  config: ModelConfig,
): Promise<Float32Array> {
  const number = (value: number): tf.Tensor1D => tf.tensor1d([value], "int32");
  const logits_V = tf.tidy(() => {
    const prompt_1 = promptLength === null ? null : number(promptLength);
    return nextLogits(params, paddedTokens(ids, config), number(ids.length - 1), prompt_1, config);
  });
  const logits = (await logits_V.data()) as Float32Array;
  logits_V.dispose();
  return logits;
}

/** A context of tokens, filled up with token 0: one shape, so one program, for every length. */
function paddedTokens(ids: readonly number[], { contextLength }: ModelConfig): tf.Tensor2D {
  const tokens = new Int32Array(contextLength);
  tokens.set(ids);
  return tf.tensor2d(tokens, [1, contextLength], "int32");
}

async function promptTokens(prompt: string, tokenizer: Tokenizer, { contextLength }: ModelConfig): Promise<number[]> {
  const ids = await tokenizer.encode(prompt);
  if (ids.length === 0) throw new Error("the prompt is empty: give at least one token to route and to go on from");
  if (ids.length > contextLength) {
    throw new Error(`the prompt has ${ids.length} tokens, the model's context ${contextLength}: shorten it`);
  }
  return [...ids];
}

function checkedOptions(options: GenerateOptions): Required<Omit<GenerateOptions, "signal">> {
  refuseUnknownKeys("the options of a generation", options, ["maxNewTokens", "temperature", "topP", "seed", "signal"]);
  const { maxNewTokens = 64, temperature = 1, topP = 1, seed = 0 } = options;
  const refuse = (name: string, value: unknown, expected: string): never => {
    throw new RangeError(`${name} is ${String(value)}: expected ${expected}`);
  };
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 1) {
    refuse("maxNewTokens", maxNewTokens, "an integer of at least 1");
  }
  if (!Number.isFinite(temperature) || temperature < 0) refuse("temperature", temperature, "a number of at least 0");
  if (!(topP > 0 && topP <= 1)) refuse("topP", topP, "a number above 0, at most 1");
  if (!Number.isSafeInteger(seed) || seed < 0) refuse("seed", seed, "an integer of at least 0");
  return { maxNewTokens, temperature, topP, seed };
}
