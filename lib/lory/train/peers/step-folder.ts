import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { ModelConfig } from "../../models";
import type { TensorSpec } from "../../models/safetensors";
import { initialParameters, parameterSpecs } from "../model-objective";
import type { OptimizerConfig, RunConfig } from "../run-config";

/** The optimizer of all peers; the learning rate does not change. */
export const OPTIMIZER: OptimizerConfig = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupFraction: 0,
  finalFraction: 1,
};

const NUM_BATCHES = 5;

/** `step.json`: what a peer needs to know, beside `weights.bin` (f32) and `batches.bin` (int32). */
export interface StepSpec extends ModelConfig {
  readonly batchSize: number;
  readonly precision: RunConfig["precision"];
  readonly learningRate: number;
  /** In the library's order. */
  readonly parameters: readonly TensorSpec[];
}

/** The work that all peers are given, as read from a folder. */
export interface StepInput {
  readonly spec: StepSpec;
  /** In the order of the parameters. */
  readonly weights: readonly Float32Array[];
  /** Each of `batchSize` rows of `contextLength + 1` tokens. */
  readonly batches: readonly Int32Array[];
}

export function stepSpec(model: ModelConfig, batchSize: number, precision: RunConfig["precision"]): StepSpec {
  const { learningRate } = OPTIMIZER;
  return { ...model, batchSize, precision, learningRate, parameters: parameterSpecs(model) };
}

/** Batches of tokens that mean nothing, one after the other: rows of `contextLength + 1`. */
export function madeUpTokens({ contextLength, vocabSize }: ModelConfig, batchSize: number): Int32Array {
  const length = NUM_BATCHES * batchSize * (contextLength + 1);
  return Int32Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 19) % vocabSize);
}

/** Writes `step.json` alone: for peers that need shapes only. */
export function writeSpec(
  folder: string,
  model: ModelConfig,
  batchSize: number,
  precision: RunConfig["precision"] = "f32",
): StepSpec {
  const spec = stepSpec(model, batchSize, precision);
  fs.writeFileSync(path.join(folder, "step.json"), JSON.stringify(spec));
  return spec;
}

/** Writes sizes, fresh weights and made-up batches into a folder. */
export async function writeStepInput(
  folder: string,
  model: ModelConfig,
  batchSize: number,
  precision: RunConfig["precision"] = "f32",
): Promise<void> {
  writeSpec(folder, model, batchSize, precision);
  const weights = initialParameters({ model, seed: 1 });
  const file = fs.openSync(path.join(folder, "weights.bin"), "w");
  for (const tensor of weights) fs.writeSync(file, bytesOf(await tensor.data<"float32">()));
  fs.closeSync(file);
  fs.writeFileSync(path.join(folder, "batches.bin"), bytesOf(madeUpTokens(model, batchSize)));
  tf.dispose(weights);
}

export function readStepInput(folder: string): StepInput {
  const spec = JSON.parse(fs.readFileSync(path.join(folder, "step.json"), "utf8")) as StepSpec;
  const file = fs.openSync(path.join(folder, "weights.bin"), "r");
  const batches = new Int32Array(wordsOf(path.join(folder, "batches.bin")));
  const weights = spec.parameters.map(({ shape }) => {
    const values = new Float32Array(tf.util.sizeFromShape([...shape]));
    fs.readSync(file, values); // goes on where the one before ended
    return values;
  });
  fs.closeSync(file);
  return {
    spec,
    weights,
    batches: batchesOf(batches, spec),
  };
}

/** The single batches. */
export function batchesOf(tokens: Int32Array, { batchSize, contextLength }: StepSpec): Int32Array[] {
  const length = batchSize * (contextLength + 1);
  return Array.from({ length: NUM_BATCHES }, (_, i) => tokens.subarray(i * length, (i + 1) * length));
}

const bytesOf = (values: Float32Array | Int32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** A file's content in memory of its own, so that it is aligned. */
function wordsOf(file: string): ArrayBuffer {
  const bytes = fs.readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}
