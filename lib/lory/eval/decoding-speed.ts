import type { ModelConfig, Params } from "../models";
import { openDecoder } from "./decoder";
import type { GenerationRouting } from "./generate-options";

/** A model whose writing is timed. */
export interface TimedModel {
  readonly name: string;
  readonly params: Params;
  readonly config: ModelConfig;
  readonly routing: GenerationRouting;
}

export interface DecodingSpeedOptions {
  /** Tokens read before, in each row. */
  readonly promptLength: number;
  /** Tokens written in each round. */
  readonly tokens: number;
  readonly rounds: number;
  /** Rows written at once; default 1. */
  readonly rows?: number;
}

/** How long a token takes. */
export interface DecodingSpeed {
  readonly name: string;
  /** Milliseconds for a token of every row, by round. */
  readonly msPerToken: readonly number[];
  /** Milliseconds in which the prompts were read and routed, by round. */
  readonly msToRead: readonly number[];
}

/** Tokens that are written in one turn: short, so that what else the machine does meets all models. */
const TURN = 4;

/**
 * Times models that take turns of a few tokens: the whole of a token, from the one before it to its logits on the host. A round that compiles comes first
 * and is not counted.
 *
 * @param models with contexts for `promptLength + tokens`
 */
export async function decodingSpeed(
  models: readonly TimedModel[],
  { promptLength, tokens, rounds, rows = 1 }: DecodingSpeedOptions,
): Promise<DecodingSpeed[]> {
  const speeds = models.map(({ name }) => ({ name, msPerToken: [] as number[], msToRead: [] as number[] }));
  for (let round = 0; round <= rounds; round++) {
    const decoders = [];
    for (const [m, { params, config, routing }] of models.entries()) {
      const prompt = Array.from({ length: promptLength }, (_, i) => (7 * i + 1) % config.vocabSize);
      const start = performance.now();
      const prompts = Array.from({ length: rows }, () => prompt);
      const decoder = openDecoder(params, config, prompts, { routing, maxLength: promptLength + tokens });
      await decoder.logits();
      decoders.push(decoder);
      if (round > 0) speeds[m].msToRead.push(performance.now() - start);
    }
    const ms = models.map(() => 0);
    for (let written = 0; written < tokens; written += TURN) {
      for (const [m, decoder] of decoders.entries()) {
        const start = performance.now();
        for (let token = written; token < Math.min(tokens, written + TURN); token++) {
          decoder.append(new Array<number>(rows).fill(token % models[m].config.vocabSize));
          await decoder.logits();
        }
        ms[m] += performance.now() - start;
      }
    }
    for (const decoder of decoders) decoder.dispose();
    if (round > 0) speeds.forEach(({ msPerToken }, m) => msPerToken.push(ms[m] / tokens));
  }
  return speeds;
}
