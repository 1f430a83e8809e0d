// Shapes: E experts, D model, F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import { random } from "tfjs-backend-xla";
import type { ExpertParams } from "../moe";
import type { DenseFfnParams } from "../nn";
import type { ModelConfig } from "./config";
import { initParams } from "./init";
import { listToParams, paramsToList, type FfnParams, type Params } from "./params";

export interface UpcycleOptions {
  /** Of the new routers and of what is drawn anew: an integer from 0 to 2^52 - 1. */
  readonly seed: number;
  /**
   * Share of each expert's hidden units, chosen at random, whose weights are drawn anew from a normal distribution with the mean and deviation
   * of the weights that they replace: Drop-Upcycling (Nakamura et al. 2025, arXiv 2502.19261). 0, the default, copies: all experts are equal
   * then, and the router has no gradient until something tells them apart.
   */
  readonly reinitializedShare?: number;
  /**
   * Deviation of the normal noise that is added to every weight of each expert's copy, in deviations of the matrix that was copied. 0, the default,
   * adds none.
   */
  readonly noise?: number;
}

/** Draws beyond those of `initParams`, whose seeds end below. */
const SEEDS = 2 ** 52;

/**
 * A dense model as the start of one with experts: everything outside of the experts is taken over, each expert is a copy of its layer's FFN,
 * and routers are fresh (Komatsuzaki et al. 2023, arXiv 2212.05055). Where routing weights sum to 1, copies compute what the dense model does; expert
 * choice, ReMoE and shares of all experts (`normTopkProb` false) scale its FFNs' outputs.
 *
 * @param dense of a model that equals `config` but for its experts; it stays as it is
 * @returns tensors of their own, to be disposed by the caller
 * @throws Error that names the tensor whose shape does not fit; RangeError if the share is not from 0 to 1
 */
export function upcycled(dense: Params, config: ModelConfig, options: UpcycleOptions): Params {
  const { seed, reinitializedShare = 0, noise = 0 } = options;
  if (!(reinitializedShare >= 0 && reinitializedShare <= 1))
    throw new RangeError(`reinitializedShare is ${reinitializedShare}: expected a number from 0 to 1`);
  if (!(noise >= 0 && noise < Infinity)) throw new RangeError(`noise is ${noise}: expected a number of at least 0`);
  return tf.tidy(() => {
    const fresh = initParams(config, seed);
    if (dense.layers.length !== config.numLayers)
      throw new Error(`the given model has ${dense.layers.length} layers, the configuration ${config.numLayers}`);
    const layers = dense.layers.map(({ ffn, ...around }, i) => {
      if (!("gateUp_DG" in ffn)) throw new Error(`layers.${i} of the given model has no dense FFN`);
      const draw: Draw = { share: reinitializedShare, noise, seed: SEEDS + seed, stream: STREAMS * i };
      return { ...around, ffn: withExperts(fresh.layers[i].ffn, ffn, draw) };
    });
    const taken = paramsToList({ ...dense, layers });
    const expected = new Map(paramsToList(fresh).map(({ name, tensor }) => [name, tensor.shape]));
    for (const { name, tensor } of taken) {
      const shape = expected.get(name);
      if (!shape || !tf.util.arraysEqual(shape, tensor.shape))
        throw new Error(
          `${name} is [${tensor.shape.join(", ")}], the configuration asks for ${shape ? `[${shape.join(", ")}]` : "none"}`,
        );
    }
    return listToParams(taken.map(({ name, tensor }) => ({ name, tensor: tensor.clone() })));
  });
}

/** What is drawn anew, and from which random numbers. */
type Draw = { share: number; noise: number; seed: number; stream: number };

/** A layer's draws: the units, and the weights of both banks. */
const STREAMS = 3;
/** Lies beyond the streams of those draws. */
const NOISE_STREAMS = 2 ** 20;

/** A layer's FFN in the new model: `fresh` with its networks replaced by copies of the dense one. */
function withExperts(fresh: FfnParams, dense: DenseFfnParams, draw: Draw): FfnParams {
  if (!("gateUp_EDG" in fresh)) return dense;
  const { gateUp_DG, down_FD } = dense;
  const first = fresh.firstGateUp_DG === undefined ? {} : { firstGateUp_DG: gateUp_DG, firstDown_FD: down_FD };
  const [numExperts] = fresh.gateUp_EDG.shape;
  const copies = (weights: tf.Tensor): tf.Tensor => tf.tile(tf.expandDims(weights, 0), [numExperts, 1, 1]);
  const experts = { gateUp_EDG: copies(gateUp_DG), down_EFD: copies(down_FD) };
  const drawn = draw.share === 0 ? experts : partlyDrawn(experts, draw);
  return { ...fresh, ...first, ...(draw.noise === 0 ? drawn : withNoise(drawn, dense, draw)) };
}

/** Experts with normal noise on every weight. */
function withNoise(
  { gateUp_EDG, down_EFD }: ExpertParams,
  { gateUp_DG, down_FD }: DenseFfnParams,
  { noise, seed, stream }: Draw,
): ExpertParams {
  const noisy = (weights: tf.Tensor, copied: tf.Tensor, which: number): tf.Tensor => {
    const deviation = tf.sqrt(tf.moments(copied).variance);
    const drawn = random.normal(weights.shape, { seed, stream: NOISE_STREAMS + stream + which });
    return tf.add(weights, tf.mul(drawn, tf.mul(deviation, noise)));
  };
  return { gateUp_EDG: noisy(gateUp_EDG, gateUp_DG, 0), down_EFD: noisy(down_EFD, down_FD, 1) };
}

/** Experts with the weights of a share of their hidden units drawn anew: gate, up and down of the same units, others for each expert. */
function partlyDrawn({ gateUp_EDG, down_EFD }: ExpertParams, { share, seed, stream }: Draw): ExpertParams {
  const [numExperts, dFfn, dModel] = down_EFD.shape as [number, number, number];
  const chosen = Math.round(share * dFfn);
  if (chosen === 0) return { gateUp_EDG, down_EFD };
  const { indices } = tf.topk(random.uniform([numExperts, dFfn], { seed, stream }), chosen);
  const isChosen_EF = tf.cast(tf.sum(tf.oneHot(tf.cast(indices, "int32"), dFfn), 1), "bool");
  const units_ED2F = tf.reshape(gateUp_EDG, [numExperts, dModel, 2, dFfn]);
  const isChosen_E11F = tf.reshape(isChosen_EF, [numExperts, 1, 1, dFfn]);
  const isChosen_EF1 = tf.reshape(isChosen_EF, [numExperts, dFfn, 1]);
  return {
    gateUp_EDG: tf.reshape(redrawn(units_ED2F, isChosen_E11F, [1, 3], { seed, stream: stream + 1 }), gateUp_EDG.shape),
    down_EFD: redrawn(down_EFD, isChosen_EF1, [1, 2], { seed, stream: stream + 2 }),
  };
}

/** Weights with the chosen ones drawn from a normal distribution of their own mean and deviation over `axes`, which is that of one matrix. */
function redrawn(
  weights: tf.Tensor,
  isChosen: tf.Tensor,
  axes: number[],
  stream: { seed: number; stream: number },
): tf.Tensor {
  const counted = tf.broadcastTo(tf.cast(isChosen, "float32"), weights.shape);
  const count = tf.sum(counted, axes, true);
  const mean = tf.div(tf.sum(tf.mul(weights, counted), axes, true), count);
  const variance = tf.div(tf.sum(tf.mul(tf.square(tf.sub(weights, mean)), counted), axes, true), count);
  const drawn = tf.add(mean, tf.mul(tf.sqrt(variance), random.normal(weights.shape, stream)));
  return tf.where(tf.broadcastTo(tf.cast(isChosen, "bool"), weights.shape), drawn, weights);
}
