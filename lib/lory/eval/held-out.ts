import * as tf from "@tensorflow/tfjs-core";
import { heldOutWindows, type Corpus } from "../data";
import type { ModelConfig } from "../models";
import { windowBatches } from "./window-batches";

export interface EvaluationOptions {
  /** Windows that the device takes at once; default 8. Results do not depend on it, but for rounding. */
  readonly batchSize?: number;
  /** Windows of each domain at most; default 64. A window is a context and the token after it. */
  readonly maxWindows?: number;
  /** Ends the evaluation with the signal's reason as error when the batch on the device ends. */
  readonly signal?: AbortSignal;
}

/**
 * Hands every batch of a domain's held-out windows to a visitor.
 *
 * @param visit is given [B, L + 1] tokens, of which the first `windows` rows count
 * @returns how many windows the domain has
 */
export async function visitWindows(
  corpus: Corpus,
  domain: string,
  { contextLength }: ModelConfig,
  { batchSize = 8, maxWindows = 64, signal }: EvaluationOptions,
  visit: (tokens_BM: tf.Tensor2D, windows: number) => Promise<void>,
): Promise<number> {
  const all = heldOutWindows(corpus, domain, { contextLength, maxWindows });
  for (const { tokens_BM: tokens, windows } of windowBatches(all, contextLength, batchSize)) {
    signal?.throwIfAborted();
    const tokens_BM = tf.tensor2d(tokens, [batchSize, contextLength + 1], "int32");
    try {
      await visit(tokens_BM, windows);
    } finally {
      tokens_BM.dispose();
    }
  }
  return all.windows;
}
