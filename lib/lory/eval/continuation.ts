// Shapes: B batch, L context, M = L + 1, T tokens a segment.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { Corpus } from "../data";
import { tokenLossesNats, type ModelConfig, type Params } from "../models";
import { routesPrompts, type KeptExperts, type Pass } from "../moe";
import type { GenerationRouting } from "./generate-options";
import { visitWindows, type EvaluationOptions } from "./held-out";

export interface ContinuationOptions extends EvaluationOptions {
  /** Tokens at the beginning of each window that are given: 1 to the context's length. */
  readonly promptLength: number;
  /** What routes the rest: the prompt, once, or each segment the one after it. Default `prompt`. */
  readonly routing?: GenerationRouting;
  /** Experts of the prompt's merge; all without it. */
  readonly keep?: KeptExperts;
}

/** How well a model predicts what follows a prompt, in the held-out text of one domain. */
export interface DomainContinuation {
  readonly domain: string;
  /** Tokens predicted, all of them behind the prompt. */
  readonly tokens: number;
  /** Mean cross entropy of them. */
  readonly lossNats: number;
  /** The same by segment of the predicted tokens, from the one that the first of them stands in on. */
  readonly segmentLossesNats: readonly number[];
}

const continuationLosses = jit(
  (params: Params, tokens_BM: tf.Tensor2D, pass: Pass, config: ModelConfig) =>
    tokenLossesNats(params, tokens_BM, config, pass),
  { name: "losses of continuations" },
);

/**
 * The loss of held-out text behind a prompt, by domain, as it would be if the model had written it: nothing is routed by what is predicted. The prompt
 * routes alone, or every segment is routed by the one before; so a score does not profit from an answer that the router has seen.
 *
 * @throws RangeError for a prompt that does not fit; CorpusError for a domain without a window; the signal's reason when aborted
 */
export async function continuationLoss(
  params: Params,
  config: ModelConfig,
  corpus: Corpus,
  { promptLength, routing = "prompt", keep, ...options }: ContinuationOptions,
): Promise<DomainContinuation[]> {
  const { contextLength, segmentLength } = config;
  if (!Number.isSafeInteger(promptLength) || promptLength < 1 || promptLength > contextLength) {
    throw new RangeError(
      `promptLength is ${promptLength}: expected an integer from 1 to ${contextLength}, the context`,
    );
  }
  const firstSegment = Math.floor(promptLength / segmentLength);
  const segments = Math.floor(contextLength / segmentLength) - firstSegment + 1;
  const results: DomainContinuation[] = [];
  for (const { name: domain } of corpus.domains) {
    const sums = new Array<number>(segments).fill(0);
    const counts = new Array<number>(segments).fill(0);
    await visitWindows(corpus, domain, config, options, async (tokens_BM, rows) => {
      const promptLength_B = tf.fill<tf.Rank.R1>([tokens_BM.shape[0]], promptLength, "int32");
      const losses_BL = continuationLosses(params, tokens_BM, passOf(config, promptLength_B, routing, keep), config);
      const losses = await losses_BL.data();
      tf.dispose([losses_BL, promptLength_B]);
      for (let row = 0; row < rows; row++) {
        // The loss at a position is that of the token after it.
        for (let token = promptLength; token <= contextLength; token++) {
          const segment = Math.floor(token / segmentLength) - firstSegment;
          sums[segment] += losses[row * contextLength + token - 1];
          counts[segment]++;
        }
      }
    });
    const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
    results.push({
      domain,
      tokens: total(counts),
      lossNats: total(sums) / total(counts),
      segmentLossesNats: sums.flatMap((sum, i) => (counts[i] > 0 ? [sum / counts[i]] : [])),
    });
  }
  return results;
}

/** What a text behind a prompt is routed by; a model whose segments are not routed is run as it is. */
function passOf(
  config: ModelConfig,
  promptLength_B: tf.Tensor1D,
  routing: GenerationRouting,
  keep: KeptExperts | undefined,
): Pass {
  if (config.numExperts === 0 || !routesPrompts(config)) return { kind: "evaluation" };
  return routing === "segments" ? { kind: "continuation", promptLength_B } : { kind: "prompt", promptLength_B, keep };
}
