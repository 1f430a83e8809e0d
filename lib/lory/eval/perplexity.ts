// Shapes: B batch, L context, M = L + 1.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { heldOutWindows, type Corpus, type HeldOutSplit } from "../data";
import { tokenLossesNats, type ModelConfig, type Params } from "../models";
import type { EvaluationOptions } from "./held-out";
import { windowBatches } from "./window-batches";

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

/** A model's losses on the same held-out windows, again and again. */
export interface HeldOutLosses {
  /** Compiles what is to be computed, without blocking the event loop. */
  prepare(params: Params): Promise<void>;
  /**
   * The losses of these parameters, which may change once it resolves. The device is always given one batch more than it works on.
   *
   * @throws the signal's reason when aborted
   */
  byDomain(params: Params, signal?: AbortSignal): Promise<DomainPerplexity[]>;
  /** Frees the windows on the device. */
  dispose(): void;
}

/** A batch of windows on the device. */
interface DeviceBatch {
  readonly tokens_BM: tf.Tensor2D;
  /** Rows that count. */
  readonly windows: number;
  /** Place of its domain. */
  readonly domain: number;
}

/**
 * Cuts the windows of every domain and takes them to the device, so that evaluating a model that is trained is computing alone.
 *
 * @throws CorpusError for a domain without a window
 */
export function heldOutLosses(
  config: ModelConfig,
  corpus: Corpus,
  { batchSize = 8, maxWindows = 64, split }: Omit<EvaluationOptions, "signal"> & { readonly split?: HeldOutSplit } = {},
): HeldOutLosses {
  const { contextLength } = config;
  const cut = corpus.domains.map(({ name }) => heldOutWindows(corpus, name, { contextLength, maxWindows, split }));
  const batches = cut.flatMap((windows, domain) =>
    [...windowBatches(windows, contextLength, batchSize)].map((batch): DeviceBatch => ({
      tokens_BM: tf.tensor2d(batch.tokens_BM, [batchSize, contextLength + 1], "int32"),
      windows: batch.windows,
      domain,
    })),
  );
  return {
    prepare: (params) => tokenLosses.prepare(params, batches[0].tokens_BM, config),
    byDomain: async (params, signal) => {
      const sums = cut.map(() => ({ first: 0, rest: 0 }));
      const pending: { readonly batch: DeviceBatch; readonly losses_BL: tf.Tensor2D }[] = [];
      const take = async (): Promise<void> => {
        const [{ batch, losses_BL }] = pending;
        const losses = await losses_BL.data();
        pending.shift();
        losses_BL.dispose();
        addLosses(sums[batch.domain], losses, batch.windows, config);
      };
      try {
        for (const batch of batches) {
          signal?.throwIfAborted();
          pending.push({ batch, losses_BL: tokenLosses(params, batch.tokens_BM, config) });
          if (pending.length > 1) await take();
        }
        while (pending.length > 0) await take();
      } finally {
        tf.dispose(pending.map(({ losses_BL }) => losses_BL));
      }
      return corpus.domains.map(({ name }, d) => perplexityOf(name, cut[d].windows, sums[d], config));
    },
    dispose: () => tf.dispose(batches.map(({ tokens_BM }) => tokens_BM)),
  };
}

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
  options.signal?.throwIfAborted();
  const losses = heldOutLosses(config, corpus, options);
  try {
    return await losses.byDomain(params, options.signal);
  } finally {
    losses.dispose();
  }
}

/** Sums of the losses in the first segment and after it. */
interface LossSums {
  first: number;
  rest: number;
}

function addLosses(sums: LossSums, losses: ArrayLike<number>, rows: number, config: ModelConfig): void {
  const segment = firstSegmentLength(config);
  for (let i = 0; i < rows * config.contextLength; i++) {
    if (i % config.contextLength < segment) sums.first += losses[i];
    else sums.rest += losses[i];
  }
}

function perplexityOf(domain: string, windows: number, sums: LossSums, config: ModelConfig): DomainPerplexity {
  const segment = firstSegmentLength(config);
  const tokens = windows * config.contextLength;
  const lossNats = (sums.first + sums.rest) / tokens;
  const restTokens = windows * (config.contextLength - segment);
  return {
    domain,
    windows,
    tokens,
    lossNats,
    perplexity: Math.exp(lossNats),
    firstSegmentLossNats: sums.first / (windows * segment),
    restLossNats: restTokens > 0 ? sums.rest / restTokens : null,
  };
}

function firstSegmentLength({ segmentLength, contextLength }: ModelConfig): number {
  return Math.min(segmentLength, contextLength);
}
