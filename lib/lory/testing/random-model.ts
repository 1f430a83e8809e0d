import * as tf from "@tensorflow/tfjs-core";
import { listToParams, modelConfig, paramsToList, initParams, type ModelConfig, type Params } from "../models";
import { Draws } from "./draws";

/** A model that takes no time, of odd sizes, with the given keys on top. */
export function tinyConfig(keys: Partial<ModelConfig> = {}): ModelConfig {
  return modelConfig({
    vocabSize: 13,
    contextLength: 11,
    dModel: 8,
    dFfn: 5,
    numLayers: 2,
    numHeads: 2,
    numExperts: 3,
    segmentLength: 4,
    ...keys,
  });
}

/** Weights large enough to bend every nonlinearity, gains away from 1, so that no term of a gradient vanishes. */
export function randomParams(config: ModelConfig, seed: number): Params {
  const draws = new Draws(seed);
  const list = paramsToList(initParams(config, 0)).map(({ name, tensor }) => {
    const [shape, isGain] = [tensor.shape, tensor.rank === 1];
    const values = draws.many(tensor.size, () => (isGain ? 1 + 0.3 * draws.normal() : 0.4 * draws.normal()));
    tensor.dispose();
    return { name, tensor: tf.tensor(values, shape, "float32") };
  });
  return listToParams(list);
}

/** Token rows, uniform over the vocabulary. */
export function randomTokens(config: ModelConfig, batch: number, length: number, seed: number): number[][] {
  const draws = new Draws(seed);
  return Array.from({ length: batch }, () => draws.many(length, () => draws.integer(config.vocabSize)));
}

/** Token rows as the model takes them. */
export function tokenTensor(tokens: readonly (readonly number[])[]): tf.Tensor2D {
  return tf.tensor2d(tokens.flat(), [tokens.length, tokens[0].length], "int32");
}

/** A copy of a tree in which `change` replaces what it returns a tensor for. */
export function withTensors(
  params: Params,
  change: (name: string, tensor: tf.Tensor) => tf.Tensor | undefined,
): Params {
  return listToParams(
    paramsToList(params).map(({ name, tensor }) => ({ name, tensor: change(name, tensor) ?? tensor })),
  );
}
