import type { Corpus } from "../data";
import { countParameters, expertLayers, type ModelConfig, type Params } from "../models";
import { mergesExperts, type KeptExperts } from "../moe";
import { continuationLoss, type ContinuationOptions } from "./continuation";

/** A soft mixture that keeps a few of its experts for each prompt: what it costs in quality, and in memory. */
export interface SparseQuality extends KeptExperts {
  /** Mean over domains of the held-out loss behind the prompt. */
  readonly lossNats: number;
  /** By domain. */
  readonly domains: readonly { readonly domain: string; readonly lossNats: number }[];
  /** Bytes of f32 weights that a prompt needs on the device: see `promptWeightBytes`. */
  readonly weightBytes: number;
}

/**
 * Bytes of f32 weights that reading a prompt and going on from it needs on the device, if of each layer's bank only `count` experts are fetched, once its
 * router has chosen them: all other weights, and those experts. With all experts it is the whole model.
 */
export function promptWeightBytes(config: ModelConfig, count: number): number {
  const left = Math.max(0, config.numExperts - count) * expertLayers(config).length;
  return 4 * (countParameters(config).total - left * 3 * config.dModel * config.dFfn);
}

/**
 * Makes a trained soft mixture sparse, prompt by prompt (Lory, section 4.9 and appendix G.2): the experts of a prompt's highest weights are merged, the
 * others are left out, and held-out text behind the prompt is predicted. With all experts it is soft prompt-only routing exactly.
 *
 * @param counts experts to keep, each tried with weights that are renormalized and with weights that are not
 * @throws Error for a model whose experts are not merged
 */
export async function softToSparse(
  params: Params,
  config: ModelConfig,
  corpus: Corpus,
  { counts, ...options }: Omit<ContinuationOptions, "routing" | "keep"> & { readonly counts: readonly number[] },
): Promise<SparseQuality[]> {
  if (config.numExperts === 0 || !mergesExperts(config.routingMode)) {
    throw new Error(
      `numExperts is ${config.numExperts}, routingMode "${config.routingMode}": only experts that are merged can be left out of a merge`,
    );
  }
  const results: SparseQuality[] = [];
  for (const count of counts) {
    for (const renormalize of count < config.numExperts ? [true, false] : [true]) {
      const keep = { count, renormalize };
      const domains = await continuationLoss(params, config, corpus, { ...options, routing: "prompt", keep });
      results.push({
        ...keep,
        lossNats: domains.reduce((sum, { lossNats }) => sum + lossNats, 0) / domains.length,
        domains: domains.map(({ domain, lossNats }) => ({ domain, lossNats })),
        weightBytes: promptWeightBytes(config, count),
      });
    }
  }
  return results;
}
