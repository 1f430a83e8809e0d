// Shapes: B batch, L context, M = L + 1.
import { jit } from "tfjs-backend-xla";
import type { Corpus } from "../data";
import { tokenLossesNats, type ModelConfig, type Params } from "../models";
import { visitWindows, type EvaluationOptions } from "./held-out";

/** How well a model predicts the held-out text of one domain. */
export interface DomainPerplexity {
  readonly domain: string;
  readonly windows: number;
  /** Tokens predicted: windows times context length. */
  readonly tokens: number;
  /** Mean cross entropy of all of them. */
  readonly lossNats: number;
  /** exp of it */
  readonly perplexity: number;
  /** Of the tokens predicted from positions of the first segment, which sees ahead through its own mean. */
  readonly firstSegmentLossNats: number;
  /** Of those predicted from all later positions; null if the context is one segment. */
  readonly restLossNats: number | null;
}

/** The loss of every token, compiled once for a configuration and a batch's shape. */
const tokenLosses = jit(tokenLossesNats, { name: "token losses" });

/**
 * Held-out perplexity by domain (as in the paper's Fig. 2): exact means over tokens, in float64, of every whole window.
 * The first segment is reported apart: it is routed by its own mean, and so sees the tokens that it predicts.
 *
 * @throws CorpusError for a domain without a window; the signal's reason when aborted
 */
export async function perplexityByDomain(
  params: Params,
  config: ModelConfig,
  corpus: Corpus,
  options: EvaluationOptions = {},
): Promise<DomainPerplexity[]> {
  const { contextLength } = config;
  const segmentLength = Math.min(config.segmentLength, contextLength);
  const results: DomainPerplexity[] = [];
  for (const { name: domain } of corpus.domains) {
    let first = 0;
    let rest = 0;
    const windows = await visitWindows(corpus, domain, config, options, async (tokens_BM, rows) => {
      const losses_BL = tokenLosses(params, tokens_BM, config);
      const losses = await losses_BL.data();
      losses_BL.dispose();
      for (let i = 0; i < rows * contextLength; i++) {
        if (i % contextLength < segmentLength) first += losses[i];
        else rest += losses[i];
      }
    });
    const tokens = windows * contextLength;
    const lossNats = (first + rest) / tokens;
    const restTokens = windows * (contextLength - segmentLength);
    results.push({
      domain,
      windows,
      tokens,
      lossNats,
      perplexity: Math.exp(lossNats),
      firstSegmentLossNats: first / (windows * segmentLength),
      restLossNats: restTokens > 0 ? rest / restTokens : null,
    });
  }
  return results;
}
