import * as tf from "@tensorflow/tfjs-core";
import type { LayerParams, Params } from "../models";
import type { LoryFfnParams } from "../moe";

/** The dense model that has expert `e` as its FFN. */
export function onlyExpert(params: Params, e: number): Params {
  const pick = (bank: tf.Tensor): tf.Tensor => tf.squeeze(tf.slice(bank, [e, 0, 0], [1, -1, -1]), [0]);
  const layers = params.layers.map((layer): LayerParams => {
    const { gateUp_EDG, down_EFD } = layer.ffn as LoryFfnParams;
    return { ...layer, ffn: { gateUp_DG: pick(gateUp_EDG), down_FD: pick(down_EFD) } };
  });
  return { ...params, layers };
}
