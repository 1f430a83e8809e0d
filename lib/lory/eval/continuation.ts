// Shapes: B batch, L context, M = L + 1, T tokens a segment.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { Corpus } from "../data";
import { tokenLossesNats, type ModelConfig, type Params } from "../models";
import { routesPrompts, type KeptExperts, type Pass } from "../moe";
import { bootstrapMeans, type BootstrapOptions, type Interval } from "./bootstrap";
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
  /** The mean of each window. */
  readonly windowLossesNats: readonly number[];
}

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
  // One for each call, since programs of other models, routings and numbers of experts share nothing.
  const continuationLosses = jit(
    (tensors: Params, tokens_BM: tf.Tensor2D, promptLength_B: tf.Tensor1D) =>
      tokenLossesNats(tensors, tokens_BM, config, passOf(config, promptLength_B, routing, keep)),
    { name: "losses of continuations" },
  );
  const results: DomainContinuation[] = [];
  for (const { name: domain } of corpus.domains) {
    const sums = new Array<number>(segments).fill(0);
    const counts = new Array<number>(segments).fill(0);
    const windowLossesNats: number[] = [];
    await visitWindows(corpus, domain, config, options, async (tokens_BM, rows) => {
      const promptLength_B = tf.fill<tf.Rank.R1>([tokens_BM.shape[0]], promptLength, "int32");
      const losses_BL = continuationLosses(params, tokens_BM, promptLength_B);
      const losses = await losses_BL.data();
      tf.dispose([losses_BL, promptLength_B]);
      for (let row = 0; row < rows; row++) {
        let ofWindow = 0;
        // The loss at a position is that of the token after it.
        for (let token = promptLength; token <= contextLength; token++) {
          const segment = Math.floor(token / segmentLength) - firstSegment;
          const loss = losses[row * contextLength + token - 1];
          sums[segment] += loss;
          ofWindow += loss;
          counts[segment]++;
        }
        windowLossesNats.push(ofWindow / (contextLength - promptLength + 1));
      }
    });
    const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
    results.push({
      domain,
      tokens: total(counts),
      lossNats: total(sums) / total(counts),
      segmentLossesNats: sums.flatMap((sum, i) => (counts[i] > 0 ? [sum / counts[i]] : [])),
      windowLossesNats,
    });
  }
  return results;
}

/** How much higher one loss is than another on the same continuations. */
export interface ContinuationDifference {
  /** By domain. */
  readonly domains: readonly (Interval & { readonly domain: string })[];
  /** Over all windows of all domains. */
  readonly total: Interval;
}

/**
 * The differences of two models, or of one routed in two ways, with paired bootstrap intervals over windows of each domain.
 *
 * @throws Error if they were not evaluated on the same windows
 */
export function continuationDifference(
  losses: readonly DomainContinuation[],
  baseline: readonly DomainContinuation[],
  options: BootstrapOptions = {},
): ContinuationDifference {
  const windows = (of: readonly DomainContinuation[]): string =>
    of
      .map(({ domain, windowLossesNats, tokens }) => `${domain}: ${windowLossesNats.length}, ${tokens} tokens`)
      .join("; ");
  if (windows(losses) !== windows(baseline)) {
    throw new Error(`the windows differ: ${windows(losses)} against ${windows(baseline)}`);
  }
  const strata = losses.map(({ windowLossesNats }, d) =>
    windowLossesNats.map((loss, w) => [{ sum: loss - baseline[d].windowLossesNats[w], weight: 1 }]),
  );
  const { strata: byDomain, total } = bootstrapMeans(strata, options);
  // Every domain has a window: no mean is null.
  return { domains: losses.map(({ domain }, d) => ({ domain, ...byDomain[d][0]! })), total: total[0]! };
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
