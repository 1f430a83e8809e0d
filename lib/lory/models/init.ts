// Shapes: V vocabulary, D model, Q = 3 D, F ffn, G = 2 F, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { random } from "tfjs-backend-xla";
import type { FirstSegmentParams } from "../moe";
import type { ModelConfig } from "./config";
import { hasExperts } from "./expert-layers";
import type { FfnParams, LayerParams, Params } from "./params";

/**
 * Fresh weights: every matrix (embedding, head and router too) normal with standard deviation `initStd`, every gain 1, a
 * learned prior of routing and every bias of balancing 0.
 *
 * Each tensor has a random stream of its own, so that equal seeds give equal weights on every machine.
 *
 * @param seed an integer from 0 to 2^53 - 1
 * @throws RangeError if the seed is not one
 */
export function initParams(config: ModelConfig, seed: number): Params {
  const { vocabSize: V, dModel: D, dFfn: F, numExperts: E, initStd } = config;
  let stream = 0;
  const draw = (...shape: number[]): tf.Tensor => random.normal(shape, { stdDev: initStd, seed, stream: stream++ });
  const forFirstSegment = (): FirstSegmentParams => {
    if (config.firstSegmentRule === "learned_prior") return { prior_E: tf.zeros([E]) };
    if (config.firstSegmentRule === "dense_expert") {
      return { firstGateUp_DG: draw(D, 2 * F), firstDown_FD: draw(F, D) };
    }
    return {};
  };
  const ffn = (layer: number): FfnParams =>
    hasExperts(config, layer)
      ? {
          router_DE: draw(D, E),
          gateUp_EDG: draw(E, D, 2 * F),
          down_EFD: draw(E, F, D),
          ...forFirstSegment(),
          ...(config.routingMode === "segment_and_token" ? { tokenRouter_DE: draw(D, E) } : {}),
          ...(config.routerBiasUpdateRate > 0 ? { bias_E: tf.zeros([E]) } : {}),
        }
      : { gateUp_DG: draw(D, 2 * F), down_FD: draw(F, D) };
  const layer = (index: number): LayerParams => ({
    attnNorm_D: tf.ones([D]),
    qkv_DQ: draw(D, 3 * D),
    out_DD: draw(D, D),
    ffnNorm_D: tf.ones([D]),
    ffn: ffn(index),
  });
  return {
    embed_VD: draw(V, D),
    layers: Array.from({ length: config.numLayers }, (_, index) => layer(index)),
    norm_D: tf.ones([D]),
    head_DV: draw(D, V),
  };
}
