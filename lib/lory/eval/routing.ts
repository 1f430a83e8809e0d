// Shapes: B batch, N segments, E experts, M = L + 1.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { Corpus } from "../data";
import { expertLayers, forward, type ModelConfig, type Params } from "../models";
import { routedUnitLength, segmentation } from "../moe";
import { visitWindows, type EvaluationOptions } from "./held-out";

/** Mean routing weights on held-out text. */
export interface RoutingByDomain {
  readonly domains: string[];
  /** The layers with experts, counted from 0. */
  readonly layers: number[];
  /** By those layers, domain and expert; the weights of a layer and a domain sum to 1 where the mode's do. */
  readonly weights: number[][][];
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
  const { count, length, lastLength } = segmentation(contextLength, routedUnitLength(config, contextLength));
  const domains = corpus.domains.map(({ name }) => name);
  const weights = layers.map(() => domains.map(() => new Array<number>(numExperts).fill(0)));
  for (const [d, domain] of domains.entries()) {
    const windows = await visitWindows(corpus, domain, config, options, async (tokens_BM, rows) => {
      const perLayer = layerWeights(params, tokens_BM, config);
      const values = await Promise.all(perLayer.map((weights_BNE) => weights_BNE.data()));
      tf.dispose(perLayer);
      values.forEach((weights_BNE, layer) => {
        for (let i = 0; i < rows * count * numExperts; i++) {
          const segment = Math.floor(i / numExperts) % count;
          weights[layer][d][i % numExperts] += weights_BNE[i] * (segment === count - 1 ? lastLength : length);
        }
      });
    });
    for (const layer of weights) layer[d] = layer[d].map((sum) => sum / (windows * contextLength));
  }
  return { domains, layers, weights };
}
