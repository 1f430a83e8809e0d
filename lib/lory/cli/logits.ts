// Shapes: B batch, L context, V vocabulary, N segments, E experts.
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import {
  expertLayers,
  forward,
  importHuggingFace,
  listToParams,
  paramsToList,
  weightTable,
  type ModelConfig,
  type Params,
} from "../models";
import { takePart } from "../models/hugging-face/weights";
import { writeSafetensorsFrom, type TensorSource } from "../models/safetensors";
import type { Pass } from "../moe";
import { meanCrossEntropyNats } from "../nn";
import { readTokenRows, type TokenRows } from "./token-rows";

export interface LogitsOptions {
  /** A Hugging Face directory. */
  readonly model: string;
  /** A `.npy` file of token ids, [B, L] or [L]. */
  readonly tokens: string;
  /** The file to write; must not exist. */
  readonly out: string;
  /** Tokens of each row's prompt: routes by them, once, instead of by segments. */
  readonly promptLength?: number;
  /** Whether to write the loss's gradient by every weight. */
  readonly grads?: boolean;
  /** Whether to route as in training, which differs in `expert_choice` alone. */
  readonly training?: boolean;
}

type Result = { logits_BLV: tf.Tensor3D; loss: tf.Scalar; routing: tf.Tensor3D[]; grads: tf.Tensor[] };

/** The forward pass and, if asked for, the gradients in `paramsToList`'s order, as one program. */
const compute = jit(
  (
    params: Params,
    tokens_BL: tf.Tensor2D,
    promptLength_B: tf.Tensor1D | null,
    config: ModelConfig,
    withGradients: boolean,
    kind: "evaluation" | "training",
  ): Result => {
    const pass: Pass = promptLength_B === null ? { kind } : { kind: "prompt", promptLength_B };
    const run = (at: Params): Omit<Result, "grads"> => {
      const { logits_BLV, routing: weights } = forward(at, tokens_BL, config, pass);
      return { logits_BLV, routing: weights, loss: nextTokenLoss(logits_BLV, tokens_BL) };
    };
    const list = paramsToList(params);
    const loss = (...tensors: tf.Tensor[]): tf.Scalar =>
      run(listToParams(list.map(({ name }, i) => ({ name, tensor: tensors[i] })))).loss;
    return { ...run(params), grads: withGradients ? tf.grads(loss)(list.map(({ tensor }) => tensor)) : [] };
  },
  { name: "logits" },
);

/** Mean nats of each token but the first, given those before it; 0 for rows of one token, which predict nothing. */
function nextTokenLoss(logits_BLV: tf.Tensor3D, tokens_BL: tf.Tensor2D): tf.Scalar {
  const [batch, length] = tokens_BL.shape;
  if (length === 1) return tf.scalar(0);
  const predicting = tf.slice(logits_BLV, [0, 0, 0], [batch, length - 1, -1]);
  return meanCrossEntropyNats(predicting, tf.slice(tokens_BL, [0, 1], [batch, length - 1]));
}

/**
 * Runs a model on given tokens and writes what other implementations can be compared with, as safetensors: `logits`
 * [B, L, V], `loss` (nats a token, from these logits), `routing.<layer>` [B, N, E] for each layer with experts (N = 1 where
 * a row is merged once) and, if asked for, `grad.<weight>` with the weights' names and layouts of the model directory.
 *
 * @throws Error that names the option, file, key or tensor which is wrong
 */
export async function writeLogits(options: LogitsOptions): Promise<void> {
  const { model, tokens, out, promptLength, grads = false, training = false } = options;
  if (training && promptLength !== undefined)
    throw new Error("a prompt routes at inference, and not in training: give one of both");
  if (existsSync(out)) throw new Error(`${out} is there already: choose another file, or remove it`);
  const { params, config } = await importHuggingFace(model);
  try {
    const rows = await readTokenRows(tokens, config.vocabSize);
    checkLengths(rows, promptLength, config);
    if (grads && rows.length === 1) throw new Error("rows of one token predict nothing: there is no gradient to write");
    const tokens_BL = tf.tensor2d(rows.ids, [rows.rows, rows.length], "int32");
    const promptLength_B = promptLength === undefined ? null : tf.fill([rows.rows], promptLength, "int32");
    const result = compute(
      params,
      tokens_BL,
      promptLength_B as tf.Tensor1D | null,
      config,
      grads,
      training ? "training" : "evaluation",
    );
    try {
      await fs.mkdir(path.dirname(path.resolve(out)), { recursive: true });
      await writeSafetensorsFrom(out, sources(result, params, config));
    } finally {
      tf.dispose([tokens_BL, result]);
      promptLength_B?.dispose();
    }
  } finally {
    tf.dispose(params);
  }
}

function checkLengths({ length }: TokenRows, promptLength: number | undefined, { contextLength }: ModelConfig): void {
  if (length > contextLength) {
    throw new Error(`the rows have ${length} tokens, the model's context (max_position_embeddings) ${contextLength}`);
  }
  if (promptLength !== undefined && !(Number.isInteger(promptLength) && promptLength >= 1 && promptLength <= length)) {
    throw new Error(`the prompt has ${promptLength} tokens: expected 1 to ${length}, the length of the rows`);
  }
}

function sources(result: Result, params: Params, config: ModelConfig): TensorSource[] {
  const source = (name: string, tensor: tf.Tensor): TensorSource => ({
    name,
    format: "F32",
    shape: tensor.shape,
    values: () => tensor.data<"float32">(),
  });
  const layers = expertLayers(config);
  const gradients = new Map(paramsToList(params).map(({ name }, i) => [name, result.grads[i]]));
  const rows = result.grads.length === 0 ? [] : weightTable(config);
  return [
    source("logits", result.logits_BLV),
    source("loss", result.loss),
    ...result.routing.map((weights_BNE, i) => source(`routing.${layers[i]}`, weights_BNE)),
    ...rows.flatMap((row) =>
      row.parts.map((part): TensorSource => {
        const gradient = gradients.get(row.name)!;
        const values = async (): Promise<Float32Array> => takePart(row, part, await gradient.data<"float32">());
        return { name: `grad.${part.name}`, format: "F32", shape: part.shape, values };
      }),
    ),
  ];
}
