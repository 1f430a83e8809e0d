// Shapes: B batch, L context, M = L + 1, D model, V vocabulary, N segments, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { loryFfn, type Routing } from "../moe";
import {
  causalAttention,
  causalMixer,
  denseFfn,
  embedding,
  headCrossEntropyNats,
  linear,
  mergedFfn,
  rmsNorm,
  ropeTables,
  type AttentionMixer,
  type RopeTables,
} from "../nn";
import type { ModelConfig } from "./config";
import type { FfnParams, LayerParams, Params } from "./params";

/** What a forward pass returns. */
export type ForwardOutput = {
  logits_BLV: tf.Tensor3D;
  /** The routing weights of each layer with experts, [B, N, E] (N = 1 where a row is merged once). */
  routing: tf.Tensor3D[];
};

type LayerContext = { config: ModelConfig; routing: Routing; tables: RopeTables; mix: AttentionMixer };

/**
 * The decoder: `x += attention(norm(x))`, `x += ffn(norm(x))` for each layer, then a norm and the head (LLaMA's
 * architecture; every FFN a Lory layer if the parameters hold experts).
 *
 * @param tokens_BL int32, [B, L], values in 0 .. vocabSize - 1, L at most `contextLength`
 * @param routing who routes, the configuration without it; experts only
 * @throws Error if the sequences are longer than the context
 */
export function forward(params: Params, tokens_BL: tf.Tensor2D, config: ModelConfig, routing?: Routing): ForwardOutput {
  return tf.tidy(() => {
    const { x_BLD, ...rest } = hiddenStates(params, tokens_BL, config, routing);
    return { logits_BLV: linear(x_BLD, params.head_DV) as tf.Tensor3D, ...rest };
  });
}

/** What the head sees: the last layer's output after the norm, [B, L, D]. Arguments and errors are those of `forward`. */
function hiddenStates(
  params: Params,
  tokens_BL: tf.Tensor2D,
  config: ModelConfig,
  routing: Routing = { mode: config.routingMode, firstSegmentRule: config.firstSegmentRule },
): { x_BLD: tf.Tensor3D; routing: tf.Tensor3D[] } {
  const length = tokens_BL.shape[1];
  if (length < 1 || length > config.contextLength) {
    throw new Error(`a sequence has ${length} tokens: expected 1 to ${config.contextLength}, the model's context`);
  }
  const headSize = config.dModel / config.numHeads;
  const context: LayerContext = {
    config,
    routing,
    tables: ropeTables(length, headSize, config.ropeTheta),
    mix: causalMixer(length),
  };
  let x_BLD = embedding(params.embed_VD, tokens_BL) as tf.Tensor3D;
  const weights: tf.Tensor3D[] = [];
  for (const layer of params.layers) {
    const output = forwardLayer(layer, x_BLD, context);
    x_BLD = output.x_BLD;
    if (output.weights_BNE !== undefined) weights.push(output.weights_BNE);
  }
  return { x_BLD: rmsNorm(x_BLD, params.norm_D, config.normEps), routing: weights };
}

type FfnOutput = { y_BLD: tf.Tensor3D; weights_BNE?: tf.Tensor3D };

function forwardLayer(
  layer: LayerParams,
  x_BLD: tf.Tensor3D,
  { config, routing, tables, mix }: LayerContext,
): { x_BLD: tf.Tensor3D; weights_BNE?: tf.Tensor3D } {
  return tf.tidy(() => {
    const seen_BLD = rmsNorm(x_BLD, layer.attnNorm_D, config.normEps);
    const attended_BLD = tf.add<tf.Tensor3D>(x_BLD, causalAttention(layer, seen_BLD, config.numHeads, tables, mix));
    const { y_BLD, ...rest } = applyFfn(
      layer.ffn,
      rmsNorm(attended_BLD, layer.ffnNorm_D, config.normEps),
      config.segmentLength,
      routing,
    );
    return { x_BLD: tf.add<tf.Tensor3D>(attended_BLD, y_BLD), ...rest };
  });
}

function applyFfn(ffn: FfnParams, x_BLD: tf.Tensor3D, segmentLength: number, routing: Routing): FfnOutput {
  if ("router_DE" in ffn) return loryFfn(ffn, x_BLD, segmentLength, routing);
  if ("gateUp_RDG" in ffn) return { y_BLD: mergedFfn(ffn, x_BLD) };
  return { y_BLD: denseFfn(ffn, x_BLD) as tf.Tensor3D };
}

/**
 * Next-token cross entropy of each token, in nats, [B, L]. Not all logits need exist at once: see `headCrossEntropyNats`.
 *
 * @param tokens_BM int32, [B, L + 1]: each token but the last predicts the one after it
 */
export function tokenLossesNats(params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig): tf.Tensor2D {
  return tf.tidy(() => {
    const [batch, positions] = tokens_BM.shape;
    const inputs_BL = tf.slice(tokens_BM, [0, 0], [batch, positions - 1]);
    const targets_BL = tf.slice(tokens_BM, [0, 1], [batch, positions - 1]);
    const { x_BLD } = hiddenStates(params, inputs_BL, config);
    return headCrossEntropyNats(x_BLD, params.head_DV, targets_BL) as tf.Tensor2D;
  });
}

/** The mean of `tokenLossesNats`, a scalar. */
export function lossNats(params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig): tf.Scalar {
  return tf.tidy(() => {
    const losses_BL = tokenLossesNats(params, tokens_BM, config);
    return tf.mul(tf.sum(losses_BL), 1 / losses_BL.size);
  });
}
