// Shapes: V vocabulary, D model, Q = 3 D, F ffn, G = 2 F, E experts.
import * as tf from "@tensorflow/tfjs-core";
import type { ModelConfig } from "./config";
import { hostNormal } from "./host-normal";
import type { FfnParams, LayerParams, Params } from "./params";

/** Draws normal numbers: the same for the same seed and stream, others for another stream. */
export type RandomNormal = (
  shape: number[],
  options: { mean?: number; stdDev?: number; seed: number; stream?: number },
) => tf.Tensor;

/**
 * Fresh weights: every matrix (embedding, head and router too) normal with standard deviation `initStd`, every gain 1.
 *
 * Each tensor has a random stream of its own, so that equal seeds give equal weights on every machine.
 *
 * @param seed a non-negative integer
 */
export function initParams(config: ModelConfig, seed: number, normal: RandomNormal = hostNormal): Params {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`seed is ${seed}: expected an integer of at least 0`);
  const { vocabSize: V, dModel: D, dFfn: F, numExperts: E, initStd } = config;
  let stream = 0;
  const draw = (...shape: number[]): tf.Tensor => normal(shape, { stdDev: initStd, seed, stream: stream++ });
  const ffn = (): FfnParams =>
    E === 0
      ? { gateUp_DG: draw(D, 2 * F), down_FD: draw(F, D) }
      : { router_DE: draw(D, E), gateUp_EDG: draw(E, D, 2 * F), down_EFD: draw(E, F, D) };
  const layer = (): LayerParams => ({
    attnNorm_D: tf.ones([D]),
    qkv_DQ: draw(D, 3 * D),
    out_DD: draw(D, D),
    ffnNorm_D: tf.ones([D]),
    ffn: ffn(),
  });
  return {
    embed_VD: draw(V, D),
    layers: Array.from({ length: config.numLayers }, layer),
    norm_D: tf.ones([D]),
    head_DV: draw(D, V),
  };
}
