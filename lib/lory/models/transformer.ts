// Shapes: B batch, L context, M = L + 1, D model, V vocabulary, N segments, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { expertFfn, type ExpertFfnOutput, type Pass, type RouterReport, type StepLoad } from "../moe";
import {
  causalAttention,
  causalMixer,
  documentIds,
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
  /** The routing weights of each layer with experts, [B, N, E]: a row for each segment or token (N = 1 where a row is merged once). */
  routing: tf.Tensor3D[];
};

/** What leaves the layers: what the head sees, [B, L, D], after the norm; the routing of those with experts, and what their routers did. */
export type HiddenStates = { x_BLD: tf.Tensor3D; routing: tf.Tensor3D[]; reports: RouterReport[] };

/** What a pass of training takes of each layer with experts. */
export type LayerInputs = {
  /** Numbers in [0, 1) that say which experts are dropped; none are without them. */
  uniform_YBE?: tf.Tensor3D;
  /** By layer that reports a load, where the tokens are a part of a step. */
  stepLoads?: readonly StepLoad[];
};

const EVALUATION: Pass = { kind: "evaluation" };

type LayerContext = { config: ModelConfig; pass: Pass; tables: RopeTables; mix: AttentionMixer };

/**
 * The decoder: `x += attention(norm(x))`, `x += ffn(norm(x))` for each layer, then a norm and the head (LLaMA's
 * architecture; every FFN a Lory layer if the parameters hold experts).
 *
 * @param tokens_BL int32, [B, L], values in 0 .. vocabSize - 1, L at most `contextLength`
 * @param pass what for, evaluation without it; experts only
 * @throws Error if the sequences are longer than the context
 */
export function forward(params: Params, tokens_BL: tf.Tensor2D, config: ModelConfig, pass = EVALUATION): ForwardOutput {
  return tf.tidy(() => {
    const { x_BLD, routing } = hiddenStates(params, tokens_BL, config, pass);
    return { logits_BLV: linear(x_BLD, params.head_DV) as tf.Tensor3D, routing };
  });
}

/**
 * All of the model but the head. Arguments and errors are those of `forward`.
 *
 * @param watch is shown the residual stream as it enters each layer and leaves the last one, in order
 */
export function hiddenStates(
  params: Params,
  tokens_BL: tf.Tensor2D,
  config: ModelConfig,
  pass: Pass,
  inputs: LayerInputs = {},
  watch: (x_BLD: tf.Tensor3D) => void = () => undefined,
): HiddenStates {
  const length = tokens_BL.shape[1];
  if (length < 1 || length > config.contextLength) {
    throw new Error(`a sequence has ${length} tokens: expected 1 to ${config.contextLength}, the model's context`);
  }
  const headSize = config.dModel / config.numHeads;
  const context: Omit<LayerContext, "pass"> = {
    config,
    tables: ropeTables(length, headSize, config.ropeTheta),
    mix: mixerFor(tokens_BL, config),
  };
  let x_BLD = embedding(params.embed_VD, tokens_BL) as tf.Tensor3D;
  const routing: tf.Tensor3D[] = [];
  const reports: RouterReport[] = [];
  watch(x_BLD);
  for (const layer of params.layers) {
    const output = forwardLayer(layer, x_BLD, { ...context, pass: passOfLayer(pass, inputs, routing.length) });
    x_BLD = output.x_BLD;
    watch(x_BLD);
    if (output.weights_BNE !== undefined) routing.push(output.weights_BNE);
    if (output.report !== undefined) reports.push(output.report);
  }
  return { x_BLD: rmsNorm(x_BLD, params.norm_D, config.normEps), routing, reports };
}

/** How attention mixes the positions of these tokens: see `documentMask`. */
export function mixerFor(tokens_BL: tf.Tensor2D, { documentMask }: Pick<ModelConfig, "documentMask">): AttentionMixer {
  const length = tokens_BL.shape[1];
  return documentMask === null ? causalMixer(length) : causalMixer(length, documentIds(tokens_BL, documentMask));
}

/** The pass as a layer sees it, `layer` being counted among those with experts. */
function passOfLayer(pass: Pass, { uniform_YBE, stepLoads }: LayerInputs, layer: number): Pass {
  if (pass.kind !== "training") return pass;
  // Either all layers with experts report their load, or none.
  if (stepLoads !== undefined) return { ...pass, stepLoad: stepLoads[layer] };
  if (uniform_YBE === undefined || layer >= uniform_YBE.shape[0]) return pass;
  const [, batch, numExperts] = uniform_YBE.shape;
  const own_1BE = tf.slice(uniform_YBE, [layer, 0, 0], [1, -1, -1]);
  return { ...pass, uniform_BE: tf.reshape(own_1BE, [batch, numExperts]) };
}

type FfnOutput = Pick<ExpertFfnOutput, "y_BLD"> & Partial<ExpertFfnOutput>;

function forwardLayer(
  layer: LayerParams,
  x_BLD: tf.Tensor3D,
  { config, pass, tables, mix }: LayerContext,
): { x_BLD: tf.Tensor3D } & Partial<ExpertFfnOutput> {
  return tf.tidy(() => {
    const seen_BLD = rmsNorm(x_BLD, layer.attnNorm_D, config.normEps);
    const attended_BLD = tf.add<tf.Tensor3D>(x_BLD, causalAttention(layer, seen_BLD, config.numHeads, tables, mix));
    const { y_BLD, ...rest } = applyFfn(
      layer.ffn,
      rmsNorm(attended_BLD, layer.ffnNorm_D, config.normEps),
      config,
      pass,
    );
    return { x_BLD: tf.add<tf.Tensor3D>(attended_BLD, y_BLD), ...rest };
  });
}

/** A layer's FFN of any kind. */
export function applyFfn(ffn: FfnParams, x_BLD: tf.Tensor3D, config: ModelConfig, pass: Pass): FfnOutput {
  if ("router_DE" in ffn) return expertFfn(ffn, x_BLD, config, pass);
  if ("gateUp_RDG" in ffn) return { y_BLD: mergedFfn(ffn, x_BLD) };
  return { y_BLD: denseFfn(ffn, x_BLD) as tf.Tensor3D };
}

/**
 * Next-token cross entropy of each token, in nats, [B, L]. Not all logits need exist at once: see `headCrossEntropyNats`.
 *
 * @param tokens_BM int32, [B, L + 1]: each token but the last predicts the one after it
 * @param pass what for, evaluation without it; experts only
 */
export function tokenLossesNats(
  params: Params,
  tokens_BM: tf.Tensor2D,
  config: ModelConfig,
  pass = EVALUATION,
): tf.Tensor2D {
  return tf.tidy(() => {
    const { inputs_BL, targets_BL } = inputsAndTargets(tokens_BM);
    const { x_BLD } = hiddenStates(params, inputs_BL, config, pass);
    return headCrossEntropyNats(x_BLD, params.head_DV, targets_BL) as tf.Tensor2D;
  });
}

/** Tokens [B, L + 1] as what a model reads and what it is to predict, [B, L] each. */
export function inputsAndTargets(tokens_BM: tf.Tensor2D): { inputs_BL: tf.Tensor2D; targets_BL: tf.Tensor2D } {
  const [batch, positions] = tokens_BM.shape;
  return {
    inputs_BL: tf.slice(tokens_BM, [0, 0], [batch, positions - 1]),
    targets_BL: tf.slice(tokens_BM, [0, 1], [batch, positions - 1]),
  };
}

/** The mean of `tokenLossesNats`, a scalar. */
export function lossNats(params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig): tf.Scalar {
  return tf.tidy(() => {
    const losses_BL = tokenLossesNats(params, tokens_BM, config);
    return tf.mul(tf.sum(losses_BL), 1 / losses_BL.size);
  });
}
