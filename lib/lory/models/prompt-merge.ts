// Shapes: B batch, L context, R = B rows, D model, F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import { mergeExperts, mergesExperts, type KeptExperts } from "../moe";
import type { ModelConfig } from "./config";
import type { LayerParams, Params } from "./params";
import { forward } from "./transformer";

/**
 * Merges a Lory model's experts for a batch of prompts: one routing decision a layer and row, from the row's own prompt
 * tokens (Lory, section 3.1, inference). `forward` takes the result like any other parameters, at a dense model's cost,
 * for the same B rows: what follows the prompt no longer routes.
 *
 * All but the FFNs are the tensors of `params` themselves: dispose the result with `disposeMerged` only.
 *
 * @param tokens_BL int32, [B, L]; what lies behind a row's prompt has no effect
 * @param promptLength_B tokens of each row's prompt, 1 .. L
 * @param keep of each layer's experts only those of the prompt's highest weights are merged; all without it
 * @throws Error if the model's mode does not merge experts
 */
export function mergeForPrompt(
  params: Params,
  tokens_BL: tf.Tensor2D,
  promptLength_B: tf.Tensor1D,
  config: ModelConfig,
  keep?: KeptExperts,
): Params {
  if (config.numExperts > 0 && !mergesExperts(config.routingMode)) {
    throw new Error(
      `routingMode is "${config.routingMode}": its experts are not merged, so that there is no merge for a prompt`,
    );
  }
  const ffns = tf.tidy(() => {
    const { routing } = forward(params, tokens_BL, config, { kind: "prompt", promptLength_B, keep });
    const weights = routing.values();
    return params.layers.map(({ ffn }) => {
      if (!("router_DE" in ffn)) return ffn;
      const weights_B1E = weights.next().value!;
      return mergeExperts(ffn, tf.reshape(weights_B1E, [tokens_BL.shape[0], -1]));
    });
  });
  return { ...params, layers: params.layers.map((layer, i): LayerParams => ({ ...layer, ffn: ffns[i] })) };
}

/**
 * One row of merged parameters as an ordinary dense model, such as other programs know (`numExperts` 0).
 *
 * @throws Error if a layer is not merged, or has no such row
 */
export function denseRow(merged: Params, row: number): Params {
  const layers = merged.layers.map((layer, i): LayerParams => {
    const { ffn } = layer;
    if (!("gateUp_RDG" in ffn)) throw new Error(`layer ${i} is not merged: merge the model for a prompt first`);
    const rows = ffn.gateUp_RDG.shape[0];
    if (!(Number.isInteger(row) && row >= 0 && row < rows)) throw new Error(`no row ${row}: rows are 0 to ${rows - 1}`);
    const take = (bank: tf.Tensor): tf.Tensor =>
      tf.tidy(() => tf.squeeze(tf.slice(bank, [row, 0, 0], [1, -1, -1]), [0]));
    return { ...layer, ffn: { gateUp_DG: take(ffn.gateUp_RDG), down_FD: take(ffn.down_RFD) } };
  });
  return { ...merged, layers };
}

/** Disposes the FFNs that `mergeForPrompt` or `denseRow` made, and leaves what is shared with the model. */
export function disposeMerged(merged: Params, model: Params): void {
  merged.layers.forEach((layer, i) => {
    if (layer.ffn !== model.layers[i].ffn) tf.dispose(layer.ffn);
  });
}
