// Shapes: S windows, B batch, L context, M = L + 1.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { documentWindows, type Corpus, type HeldOutWindows } from "../../data";
import { hiddenStates, type ModelConfig, type Params } from "../../models";
import { headCrossEntropyNats } from "../../nn";
import type { BootstrapOptions } from "../bootstrap";
import type { LeakPass } from "./reads-future";

/** A model, and how its losses are taken. */
export interface LeakModel {
  readonly params: Params;
  readonly config: ModelConfig;
  /**
   * Default `evaluation`. Expert choice reads the future in `training` alone; with a pool of the whole batch, what it takes depends on the windows
   * that are evaluated together.
   */
  readonly pass?: LeakPass;
}

export interface LeakOptions extends BootstrapOptions {
  /** L, tokens of a window that are predicted; default: the model's context. A shorter window saves time where only the first segment matters. */
  readonly length?: number;
  /** Held-out documents of each domain at most, a window of each; default 64. */
  readonly maxDocuments?: number;
  /** Windows that the device takes at once; default 8. */
  readonly batchSize?: number;
  /** Ends the measurement with the signal's reason as error when the batch on the device ends. */
  readonly signal?: AbortSignal;
}

/** Losses [B, L] of given targets after given inputs: apart, since a window whose future is another's has its own targets. */
const lossesOfTargets = jit(
  (params: Params, inputs_BL: tf.Tensor2D, targets_BL: tf.Tensor2D, config: ModelConfig, kind: LeakPass) => {
    const { x_BLD } = hiddenStates(params, inputs_BL, config, { kind });
    return headCrossEntropyNats(x_BLD, params.head_DV, targets_BL) as tf.Tensor2D;
  },
  { name: "losses of targets" },
);

/** The windows that a measurement is taken on, by domain, and their length. */
export interface LeakWindows {
  readonly length: number;
  readonly domains: readonly (HeldOutWindows & { readonly domain: string })[];
}

/**
 * The windows of all domains.
 *
 * @throws RangeError for a length beyond the model's context; CorpusError for a domain without a document that is long enough
 */
export function leakWindows(corpus: Corpus, config: ModelConfig, options: LeakOptions): LeakWindows {
  const { length = config.contextLength, maxDocuments = 64 } = options;
  if (length > config.contextLength) {
    throw new RangeError(`length is ${length}: expected at most ${config.contextLength}, the model's context`);
  }
  const domains = corpus.domains.map(({ name }) => {
    return { domain: name, ...documentWindows(corpus, name, { length, maxDocuments }) };
  });
  return { length, domains };
}

/**
 * The loss of every target, [S, L].
 *
 * @param inputs_SL what the model reads
 * @param targets_SL what it is to predict
 */
export async function windowLosses(
  { params, config, pass = "evaluation" }: LeakModel,
  inputs_SL: Int32Array,
  targets_SL: Int32Array,
  length: number,
  { batchSize = 8, signal }: LeakOptions,
): Promise<Float32Array> {
  const windows = inputs_SL.length / length;
  const losses_SL = new Float32Array(inputs_SL.length);
  for (let start = 0; start < windows; start += batchSize) {
    signal?.throwIfAborted();
    const batch = [inputs_SL, targets_SL].map((tokens_SL) => rows(tokens_SL, length, start, batchSize));
    const losses_BL = lossesOfTargets(params, batch[0], batch[1], config, pass);
    const losses = await losses_BL.data();
    tf.dispose([...batch, losses_BL]);
    losses_SL.set(losses.subarray(0, Math.min(batchSize, windows - start) * length), start * length);
  }
  return losses_SL;
}

/** Some rows; those beyond the last one repeat it, so that every batch has the same shape. */
function rows(tokens_SL: Int32Array, length: number, start: number, count: number): tf.Tensor2D {
  const last = tokens_SL.length / length - 1;
  const values = new Int32Array(count * length);
  for (let row = 0; row < count; row++) {
    const from = Math.min(start + row, last) * length;
    values.set(tokens_SL.subarray(from, from + length), row * length);
  }
  return tf.tensor2d(values, [count, length], "int32");
}

/** Windows [S, L + 1] without their last token, or without their first. */
export function withoutToken({ tokens_SM, windows }: HeldOutWindows, which: "last" | "first"): Int32Array {
  const rowLength = tokens_SM.length / windows;
  const from = which === "last" ? 0 : 1;
  const tokens_SL = new Int32Array(windows * (rowLength - 1));
  for (let s = 0; s < windows; s++) {
    tokens_SL.set(tokens_SM.subarray(s * rowLength + from, s * rowLength + from + rowLength - 1), s * (rowLength - 1));
  }
  return tokens_SL;
}
