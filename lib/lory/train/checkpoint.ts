import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensor } from "../models";
import { readSafetensors, writeSafetensors, type TensorSpec } from "../models/safetensors";
import { fileSystemError, flushFolder, isMissing, writeFlushed } from "./durable-file";
import type { TrainState } from "./train-step";

/** Where a training stands, beside its tensors. The position in the data follows from the step. */
export interface Progress {
  /** Steps trained. */
  readonly step: number;
  /** Tokens trained on. */
  readonly tokens: number;
}

const MODEL_FILE = "model.safetensors";
const OPTIMIZER_FILE = "optimizer.safetensors";
const EMA_FILE = "ema.safetensors";
const STATE_FILE = "state.json";
/** The coefficient of the L1 penalty, of trainings that adapt one. */
const L1_COEFFICIENT: TensorSpec = { name: "l1_coefficient", shape: [], dtype: "float32" };
/** In the form of `sha256sum`, which can check it. */
const SUMS_FILE = "SHA256SUMS";
const FOLDER = /^step-(\d{8,})$/;
const UNFINISHED = /^writing-/;

/**
 * Saves a training as `root/step-<step>/`: the model, the optimizer and the running mean of the weights as safetensors, the progress as JSON, a SHA-256
 * of each. Everything is written under a temporary name and flushed before the folder gets its own; then earlier
 * checkpoints are removed.
 *
 * @param names of the parameters, in the state's order
 * @throws an error that says what to do; the earlier checkpoint is untouched then, and nothing of this one is left
 */
export async function saveCheckpoint(
  root: string,
  names: readonly string[],
  state: TrainState,
  progress: Progress,
): Promise<void> {
  const folder = `step-${String(progress.step).padStart(8, "0")}`;
  const temporary = path.join(root, `writing-${folder}-${process.pid}`);
  try {
    await fs.mkdir(temporary, { recursive: true });
    const sums = [
      { file: MODEL_FILE, sha256: await writeTensors(temporary, MODEL_FILE, named("", names, state.params)) },
      {
        file: OPTIMIZER_FILE,
        sha256: await writeTensors(temporary, OPTIMIZER_FILE, [
          ...named("m.", names, state.m),
          ...named("v.", names, state.v),
          ...(state.l1Coefficient === undefined ? [] : [{ name: L1_COEFFICIENT.name, tensor: state.l1Coefficient }]),
        ]),
      },
    ];
    if (state.ema)
      sums.push({ file: EMA_FILE, sha256: await writeTensors(temporary, EMA_FILE, named("", names, state.ema)) });
    const json = `${JSON.stringify(progress, null, 2)}\n`;
    await writeFlushed(path.join(temporary, STATE_FILE), json);
    sums.push({ file: STATE_FILE, sha256: createHash("sha256").update(json).digest("hex") });
    const lines = sums.map(({ file, sha256 }) => `${sha256}  ${file}\n`);
    await writeFlushed(path.join(temporary, SUMS_FILE), lines.join(""));
    await flushFolder(temporary);
    await fs.rename(temporary, path.join(root, folder));
    await flushFolder(root);
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    throw fileSystemError(`the checkpoint of step ${progress.step} could not be written to ${root}`, error);
  }
  await removeFolders(root, (name) => FOLDER.test(name) && name !== folder);
}

/** The latest checkpoint's folder; undefined if there is none. */
export async function latestCheckpoint(root: string): Promise<string | undefined> {
  const folders = (await foldersIn(root)).filter((name) => FOLDER.test(name)).sort((a, b) => stepOf(b) - stepOf(a));
  return folders.length > 0 ? path.join(root, folders[0]) : undefined;
}

/** The steps that the training of a checkpoint's folder has behind it. */
export function checkpointStep(folder: string): number {
  return stepOf(path.basename(folder));
}

/** Parts of a state that only some trainings have. */
export interface StateParts {
  /** The coefficient of an L1 penalty. */
  readonly l1Coefficient?: boolean;
  /** The running mean of the weights. */
  readonly ema?: boolean;
}

/** Removes what a process that was killed had begun to write. */
export async function removeUnfinishedCheckpoints(root: string): Promise<void> {
  await removeFolders(root, (name) => UNFINISHED.test(name));
}

/**
 * Reads a training back, bit for bit.
 *
 * @param specs the model's parameters
 * @param parts what the training has beside parameters and optimizer
 * @throws an error that names the file which is missing, damaged or of another model
 */
export async function loadCheckpoint(
  folder: string,
  specs: readonly TensorSpec[],
  parts: StateParts = {},
): Promise<{ state: TrainState; progress: Progress }> {
  const sums = await readSums(folder);
  await checkSum(folder, STATE_FILE, sums);
  const progress = JSON.parse(await fs.readFile(path.join(folder, STATE_FILE), "utf8")) as Progress;
  const loaded: tf.Tensor[] = [];
  const read = async (file: string, wanted: readonly TensorSpec[]): Promise<tf.Tensor[]> => {
    const tensors = await readTensors(folder, file, sums, wanted);
    loaded.push(...tensors);
    return tensors;
  };
  try {
    const params = await read(MODEL_FILE, specs);
    const optimizerSpecs = [
      ...renamed("m.", specs),
      ...renamed("v.", specs),
      ...(parts.l1Coefficient ? [L1_COEFFICIENT] : []),
    ];
    const tensors = await read(OPTIMIZER_FILE, optimizerSpecs);
    const [m, v] = [0, 1].map((i) => tensors.slice(i * specs.length, (i + 1) * specs.length));
    const l1 = parts.l1Coefficient ? { l1Coefficient: tensors[2 * specs.length] as tf.Scalar } : {};
    const ema = parts.ema ? { ema: await read(EMA_FILE, specs) } : {};
    return { state: { params, m, v, ...l1, ...ema }, progress };
  } catch (error) {
    tf.dispose(loaded);
    throw error;
  }
}

/** Reads the model of a checkpoint only, its tensors in the order of `specs`; with `ema` the running mean of its weights. */
export async function loadModel(folder: string, specs: readonly TensorSpec[], ema = false): Promise<tf.Tensor[]> {
  return readTensors(folder, ema ? EMA_FILE : MODEL_FILE, await readSums(folder), specs);
}

function named(prefix: string, names: readonly string[], tensors: readonly tf.Tensor[]): NamedTensor[] {
  return tensors.map((tensor, i) => ({ name: `${prefix}${names[i]}`, tensor }));
}

function renamed(prefix: string, specs: readonly TensorSpec[]): TensorSpec[] {
  return specs.map((spec) => ({ ...spec, name: `${prefix}${spec.name}` }));
}

async function writeTensors(folder: string, file: string, tensors: readonly NamedTensor[]): Promise<string> {
  return (await writeSafetensors(path.join(folder, file), tensors)).sha256;
}

async function readTensors(
  folder: string,
  file: string,
  sums: ReadonlyMap<string, string>,
  specs: readonly TensorSpec[],
): Promise<tf.Tensor[]> {
  await checkSum(folder, file, sums);
  const { tensors } = await readSafetensors(path.join(folder, file), specs);
  const byName = new Map(tensors.map(({ name, tensor }) => [name, tensor]));
  return specs.map(({ name }) => byName.get(name)!);
}

async function readSums(folder: string): Promise<Map<string, string>> {
  const file = path.join(folder, SUMS_FILE);
  const lines = (await fs.readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [, sha256, name] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
      if (name === undefined) throw damaged(file);
      return [name, sha256];
    }),
  );
}

async function checkSum(folder: string, name: string, sums: ReadonlyMap<string, string>): Promise<void> {
  const file = path.join(folder, name);
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  if (hash.digest("hex") !== sums.get(name)) throw damaged(file);
}

function damaged(file: string): Error {
  return new Error(
    `${file} is damaged (its SHA-256 differs): delete the checkpoint's folder, or the run's, to train again`,
  );
}

function stepOf(folder: string): number {
  return Number(FOLDER.exec(folder)?.[1]);
}

async function foldersIn(root: string): Promise<string[]> {
  try {
    return await fs.readdir(root);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function removeFolders(root: string, isRemoved: (name: string) => boolean): Promise<void> {
  for (const name of (await foldersIn(root)).filter(isRemoved)) {
    await fs.rm(path.join(root, name), { recursive: true });
  }
}
