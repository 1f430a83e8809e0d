// Shapes: S texts, L context, M = L + 1.
import { heldOutWindows, type Corpus, type Tokenizer } from "../data";
import type { ModelConfig, Params } from "../models";
import { generateBatch, type GeneratedText } from "./generate";
import type { GenerateOptions } from "./generate-options";
import { routingOfTexts, type TextRouting } from "./routing-drift";

export interface ContinueHeldOutOptions extends Pick<
  GenerateOptions,
  "temperature" | "topP" | "topK" | "seed" | "signal"
> {
  /** Tokens of each window that are given, less than the context has. */
  readonly promptLength: number;
  /** Texts of each domain; fewer where it has fewer windows. */
  readonly texts: number;
}

/** The routing of texts of one domain that begin alike: as the model went on, and as they went on in truth. */
export interface ContinuedTexts {
  readonly domain: string;
  readonly written: readonly TextRouting[];
  readonly real: readonly TextRouting[];
}

/**
 * Continues held-out text of each domain to the context's end, each segment routed by the one before it, and gives the routing of every segment of what
 * was written, and of the text that was continued. A text that the model ends before has fewer segments.
 *
 * @throws as `generate`, and CorpusError for a domain without a window
 */
export async function continueHeldOut(
  params: Params,
  config: ModelConfig,
  corpus: Corpus,
  tokenizer: Tokenizer,
  { promptLength, texts, ...sampling }: ContinueHeldOutOptions,
): Promise<ContinuedTexts[]> {
  const { contextLength } = config;
  if (!Number.isSafeInteger(promptLength) || promptLength < 1 || promptLength >= contextLength) {
    throw new RangeError(
      `promptLength is ${promptLength}: expected an integer from 1 to ${contextLength - 1}, below the context`,
    );
  }
  const results: ContinuedTexts[] = [];
  for (const { name: domain } of corpus.domains) {
    const { tokens_SM, windows } = heldOutWindows(corpus, domain, { contextLength, maxWindows: texts });
    const real = Array.from({ length: windows }, (_, window) => {
      const start = window * (contextLength + 1);
      return [...tokens_SM.subarray(start, start + contextLength)];
    });
    const prompts = real.map((ids) => ids.slice(0, promptLength));
    const options = { ...sampling, maxNewTokens: contextLength - promptLength, routing: "segments" } as const;
    const continued = await allTexts(generateBatch(params, config, tokenizer, prompts, options));
    const written = continued.map(({ ids }, row) => [...prompts[row], ...ids]);
    const lengths = prompts.map((ids) => ids.length);
    results.push({
      domain,
      written: await routingOfTexts(params, config, written, lengths),
      real: await routingOfTexts(params, config, real, lengths),
    });
  }
  return results;
}

/** What a stream returns when it has ended. */
async function allTexts(stream: AsyncGenerator<unknown, GeneratedText[], undefined>): Promise<GeneratedText[]> {
  for (;;) {
    const next = await stream.next();
    if (next.done) return next.value;
  }
}
