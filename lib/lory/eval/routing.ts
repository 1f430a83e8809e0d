// Shapes: B batch, N segments, E experts, M = L + 1.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { Corpus } from "../data";
import { expertLayers, forward, type ModelConfig, type Params } from "../models";
import { domainInformationNats, isHighWeight, routingStatistics, unitTokens, type RoutingStatistics } from "../moe";
import { visitWindows, type EvaluationOptions } from "./held-out";

/** Mean routing weights on held-out text. */
export interface RoutingByDomain {
  readonly domains: string[];
  /** The layers with experts, counted from 0. */
  readonly layers: number[];
  /** By those layers, domain and expert; the weights of a layer and a domain sum to 1 where the mode's do. */
  readonly weights: number[][][];
  /** By those layers, over all domains, each counting alike; undefined where no unit had a weight. */
  readonly statistics: (RoutingStatistics | undefined)[];
  /** By those layers: what experts and domains share, see `domainInformationNats`. */
  readonly domainInformationNats: number[];
}

/** The routing weights [B, N, E] of every layer. What only the logits need is not computed. */
const layerWeights = jit(
  (params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig): tf.Tensor3D[] => {
    const [batch, positions] = tokens_BM.shape;
    return forward(params, tf.slice(tokens_BM, [0, 0], [batch, positions - 1]), config).routing;
  },
  { name: "routing weights" },
);

/**
 * The mean over held-out tokens of the weights by which each token's FFN was merged, or its experts' outputs were (as in the paper's
 * Fig. 6): a segment counts by its tokens. Segment 1 is included, with the weights that it used.
 *
 * @throws Error for a dense model; CorpusError for a domain without a window; the signal's reason when aborted
 */
export async function routingByDomain(
  params: Params,
  config: ModelConfig,
  corpus: Corpus,
  options: EvaluationOptions = {},
): Promise<RoutingByDomain> {
  const { contextLength, numExperts } = config;
  const layers = expertLayers(config);
  if (numExperts === 0) throw new Error("the model is dense (numExperts is 0): it has no routing weights");
  const tokensOfUnits = unitTokens(config, contextLength);
  const domains = corpus.domains.map(({ name }) => name);
  const weights = layers.map(() => domains.map(() => new Array<number>(numExperts).fill(0)));
  const sums = layers.map(() => domains.map(() => new Array<number>(1 + 2 * numExperts).fill(0)));
  for (const [d, domain] of domains.entries()) {
    const windows = await visitWindows(corpus, domain, config, options, async (tokens_BM, rows) => {
      const perLayer = layerWeights(params, tokens_BM, config);
      const values = await Promise.all(perLayer.map((weights_BNE) => weights_BNE.data<"float32">()));
      tf.dispose(perLayer);
      values.forEach((weights_BNE, layer) => {
        for (let unit = 0; unit < rows * tokensOfUnits.length; unit++) {
          const weights_E = weights_BNE.subarray(unit * numExperts, (unit + 1) * numExperts);
          const tokens = tokensOfUnits[unit % tokensOfUnits.length];
          weights_E.forEach((weight, e) => (weights[layer][d][e] += weight * tokens));
          addUnit(sums[layer][d], weights_E, tokens);
        }
      });
    });
    for (const list of [weights, sums]) {
      for (const layer of list) layer[d] = layer[d].map((sum) => sum / (windows * contextLength));
    }
  }
  const meanOfDomains = (rows_DQ: readonly number[][]): number[] =>
    rows_DQ[0].map((_, q) => rows_DQ.reduce((sum, row) => sum + row[q], 0) / rows_DQ.length);
  return {
    domains,
    layers,
    weights,
    statistics: sums.map((rows_DQ) => routingStatistics(meanOfDomains(rows_DQ))),
    domainInformationNats: weights.map(domainInformationNats),
  };
}

/** Adds a unit to the sums from which statistics are computed, as `routingSums` has them on the device. */
function addUnit(sums_Q: number[], weights_E: Float32Array, tokens: number): void {
  const numExperts = weights_E.length;
  const total = weights_E.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return;
  weights_E.forEach((weight, e) => {
    const share = weight / total;
    if (share > 0) sums_Q[0] -= tokens * share * Math.log(share);
    sums_Q[1 + e] += tokens * share;
    if (isHighWeight(share, numExperts)) sums_Q[1 + numExperts + e] += tokens;
  });
}
