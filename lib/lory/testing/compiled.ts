import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import type { ShapedValues } from "tfjs-backend-xla/testing";
import {
  forward,
  listToParams,
  lossNats,
  mergeForPrompt,
  paramsToList,
  trainingLosses,
  type ModelConfig,
  type Params,
} from "../models";

/** `forward` with causal segment routing, as one program where the backend compiles. */
export const compiledForward = jit(
  (params: Params, tokens_BL: tf.Tensor2D, config: ModelConfig) => forward(params, tokens_BL, config),
  { name: "forward" },
);

/** `forward` with prompt routing. */
export const compiledPromptForward = jit(
  (params: Params, tokens_BL: tf.Tensor2D, promptLength_B: tf.Tensor1D, config: ModelConfig) =>
    forward(params, tokens_BL, config, { kind: "prompt", promptLength_B }),
  { name: "forward of a prompt" },
);

/** The FFNs that `mergeForPrompt` makes. */
export const compiledMerge = jit(
  (params: Params, tokens_BL: tf.Tensor2D, promptLength_B: tf.Tensor1D, config: ModelConfig) =>
    mergeForPrompt(params, tokens_BL, promptLength_B, config).layers.map(({ ffn }) => ffn),
  { name: "merge for a prompt" },
);

/** `forward` of all tokens but the last, and the loss of predicting all but the first; in training, the objective. */
export const compiledForwardAndLoss = jit(
  (params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig, kind: "evaluation" | "training" = "evaluation") => {
    const [batch, positions] = tokens_BM.shape;
    const output = forward(params, tf.slice(tokens_BM, [0, 0], [batch, positions - 1]), config, { kind });
    const loss =
      kind === "training" ? trainingLosses(params, tokens_BM, config).objective : lossNats(params, tokens_BM, config);
    return { ...output, lossNats: loss };
  },
  { name: "forward and loss" },
);

const gradientList = jit(
  (params: Params, tokens_BM: tf.Tensor2D, config: ModelConfig) => {
    const list = paramsToList(params);
    const loss = (...tensors: tf.Tensor[]): tf.Scalar =>
      trainingLosses(listToParams(list.map(({ name }, i) => ({ name, tensor: tensors[i] }))), tokens_BM, config)
        .objective;
    return tf.grads(loss)(list.map(({ tensor }) => tensor));
  },
  { name: "gradients" },
);

/** The gradient of the training objective by every parameter, by name, read from the device. */
export function lossGradients(
  params: Params,
  tokens_BM: tf.Tensor2D,
  config: ModelConfig,
): Map<string, ShapedValues & { values: Float32Array }> {
  const grads = gradientList(params, tokens_BM, config);
  return new Map(
    paramsToList(params).map(({ name }, i) => [
      name,
      { shape: grads[i].shape, values: grads[i].dataSync<"float32">(), dtype: grads[i].dtype },
    ]),
  );
}
