import type { ModelConfig } from "../models";
import { refuseUnknownKeys } from "../models";
import { mergesExperts, routesBySegmentsBefore, routesPrompts, type KeptExperts } from "../moe";
import type { SamplingOptions } from "./sampling";

/** What routes the tokens that a model with experts writes. */
export const GENERATION_ROUTING = [
  /** The prompt, once: a token costs what the dense model's costs (Lory, section 3.1, inference). */
  "prompt",
  /** The segment before, as in training. A first segment that routes itself does so by its tokens of the prompt. */
  "segments",
] as const;
export type GenerationRouting = (typeof GENERATION_ROUTING)[number];

/** What happens when a text has filled the model's context. */
export const CONTEXT_ENDS = [
  /** It ends, and the reason says so. */
  "stop",
  /** An error is thrown. */
  "error",
  /** The newer half of it is read anew as a prompt, from position 0, and the text goes on. */
  "slide",
] as const;
export type ContextEnd = (typeof CONTEXT_ENDS)[number];

export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Default 64. */
  readonly maxNewTokens?: number;
  /** Of the draws: the same seed, model and prompt give the same text. Default 0. */
  readonly seed?: number;
  /** The text ends before any of these, which are not part of it. */
  readonly stop?: string | readonly string[];
  /** Default `prompt`. For modes whose tokens route themselves it must not be given. */
  readonly routing?: GenerationRouting;
  /** Keeps only the experts of the prompt's highest weights, where the prompt routes and experts are merged. */
  readonly keepExperts?: KeptExperts;
  /** Default `stop`. */
  readonly atContextEnd?: ContextEnd;
  /** Ends the generation after the token in hand. */
  readonly signal?: AbortSignal;
}

/** Options with their defaults, checked. */
export type CheckedOptions = Required<Omit<GenerateOptions, "signal" | "keepExperts" | "stop">> & {
  readonly stop: readonly string[];
  readonly keepExperts: KeptExperts | undefined;
};

const KEYS = [
  "maxNewTokens",
  "temperature",
  "topP",
  "topK",
  "seed",
  "stop",
  "routing",
  "keepExperts",
  "atContextEnd",
  "signal",
] as const satisfies readonly (keyof GenerateOptions)[];

/** @throws RangeError or Error that names the option, its value and what is expected */
export function checkedOptions(options: GenerateOptions, config: ModelConfig): CheckedOptions {
  refuseUnknownKeys("the options of a generation", options, KEYS);
  const { maxNewTokens = 64, temperature = 1, topP = 1, topK = 0, seed = 0, keepExperts } = options;
  const { routing = "prompt", atContextEnd = "stop" } = options;
  const stop = typeof options.stop === "string" ? [options.stop] : (options.stop ?? []);
  const demand = (holds: boolean, name: string, value: unknown, expected: string): void => {
    if (!holds) throw new RangeError(`${name} is ${String(value)}: expected ${expected}`);
  };
  const isCount = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  demand(isCount(maxNewTokens, 1), "maxNewTokens", maxNewTokens, "an integer of at least 1");
  demand(Number.isFinite(temperature) && temperature >= 0, "temperature", temperature, "a number of at least 0");
  demand(topP > 0 && topP <= 1, "topP", topP, "a number above 0, at most 1");
  demand(isCount(topK, 0), "topK", topK, "an integer of at least 0");
  demand(isCount(seed, 0), "seed", seed, "an integer of at least 0");
  demand(
    stop.every((string) => typeof string === "string" && string !== ""),
    "stop",
    JSON.stringify(stop),
    "texts of at least one character",
  );
  demand(GENERATION_ROUTING.includes(routing), "routing", routing, `one of ${GENERATION_ROUTING.join(", ")}`);
  demand(CONTEXT_ENDS.includes(atContextEnd), "atContextEnd", atContextEnd, `one of ${CONTEXT_ENDS.join(", ")}`);
  demand(
    atContextEnd !== "slide" || config.contextLength > 1,
    "contextLength",
    config.contextLength,
    "2 at least for a window that slides",
  );
  checkRouting(options, config);
  return { maxNewTokens, temperature, topP, topK, seed, stop, routing, keepExperts, atContextEnd };
}

/** What a mode cannot do is refused by its name. */
function checkRouting({ routing, keepExperts }: GenerateOptions, config: ModelConfig): void {
  const { numExperts, routingMode } = config;
  if (numExperts === 0) return;
  if (routing !== undefined && !routesPrompts(config)) {
    throw new Error(
      `routing is "${routing}", routingMode "${routingMode}": each token routes itself; leave the option out`,
    );
  }
  if (routing === "segments" && mergesExperts(routingMode) && !routesBySegmentsBefore(routingMode)) {
    throw new Error(
      `routing is "segments", routingMode "${routingMode}": a segment is routed by its own text, which is not there while it is ` +
        `written; let the prompt route`,
    );
  }
  if (keepExperts !== undefined && (routing === "segments" || !mergesExperts(routingMode))) {
    throw new Error(
      `keepExperts is given, routing "${routing ?? "prompt"}", routingMode "${routingMode}": experts are left out of the merge of a ` +
        `prompt alone`,
    );
  }
}
