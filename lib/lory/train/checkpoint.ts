import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { readSafetensors, writeSafetensorsFrom, type TensorSource, type TensorSpec } from "../models/safetensors";
import { checkpointName, UNFINISHED_PREFIX } from "./checkpoint-folders";
import { fileSystemError, flushFolder, isMissing, writeFlushed } from "./durable-file";
import { fileSpecs, stateFiles, stateFrom, type StatePartName } from "./state-parts";
import type { TrainState } from "./train-step";

/** Where a training stands, beside its tensors. The position in the data and in random streams follows from the step. */
export interface Progress {
  /** Steps trained. */
  readonly step: number;
  /** Tokens trained on. */
  readonly tokens: number;
}

const STATE_FILE = "state.json";
/** In the form of `sha256sum`, which can check it. */
const SUMS_FILE = "SHA256SUMS";

/** A state in the host's memory, by file: the device can go on while it is written. */
export type Snapshot = ReadonlyMap<string, readonly TensorSource[]>;

/** A checkpoint that is not what was written: another one may be. */
export class DamagedCheckpointError extends Error {
  override readonly name = "DamagedCheckpointError";
}

/**
 * Copies a state to the host.
 *
 * @param specs of the parameters, in the state's order
 */
export async function takeSnapshot(specs: readonly TensorSpec[], state: TrainState): Promise<Snapshot> {
  const files = [...stateFiles(specs, state)].map(async ([file, tensors]) => {
    const sources = tensors.map(async ({ name, tensor }): Promise<TensorSource> => {
      const values = (await tensor.data()) as Float32Array;
      return { name, format: "F32", shape: tensor.shape, values: () => Promise.resolve(values) };
    });
    return [file, await Promise.all(sources)] as const;
  });
  return new Map(await Promise.all(files));
}

/**
 * Writes a training as `root/step-<step>/`: the parts of its state as safetensors, the progress as JSON, a SHA-256
 * of each. Everything is written under a temporary name and flushed before the folder gets its own.
 *
 * @throws an error that says what to do; other checkpoints are untouched then, and nothing of this one is left
 */
export async function writeCheckpoint(root: string, snapshot: Snapshot, progress: Progress): Promise<void> {
  const folder = checkpointName(progress.step);
  const temporary = path.join(root, `${UNFINISHED_PREFIX}${folder}-${process.pid}`);
  try {
    await fs.mkdir(temporary, { recursive: true });
    const sums: string[] = [];
    for (const [file, sources] of snapshot) {
      const { sha256 } = await writeSafetensorsFrom(path.join(temporary, file), sources);
      sums.push(`${sha256}  ${file}\n`);
    }
    const json = `${JSON.stringify(progress, null, 2)}\n`;
    await writeFlushed(path.join(temporary, STATE_FILE), json);
    sums.push(`${createHash("sha256").update(json).digest("hex")}  ${STATE_FILE}\n`);
    await writeFlushed(path.join(temporary, SUMS_FILE), sums.join(""));
    await flushFolder(temporary);
    await fs.rename(temporary, path.join(root, folder));
    await flushFolder(root);
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    throw fileSystemError(`the checkpoint of step ${progress.step} could not be written to ${root}`, error);
  }
}

/**
 * Where the training of a checkpoint stood.
 *
 * @throws DamagedCheckpointError
 */
export async function readProgress(folder: string): Promise<Progress> {
  await checkSum(folder, STATE_FILE, await readSums(folder));
  return JSON.parse(await fs.readFile(path.join(folder, STATE_FILE), "utf8")) as Progress;
}

/**
 * Reads a training's state back, bit for bit.
 *
 * @param specs of the parameters
 * @param parts that the state has
 * @throws DamagedCheckpointError, which names the file that is missing or damaged; an error that names the tensor by which it is
 *   another model's
 */
export async function loadState(
  folder: string,
  specs: readonly TensorSpec[],
  parts: readonly StatePartName[],
): Promise<TrainState> {
  const sums = await readSums(folder);
  const found = new Map<string, tf.Tensor>();
  try {
    for (const [file, expected] of fileSpecs(specs, parts)) {
      await checkSum(folder, file, sums);
      const { tensors } = await readSafetensors(path.join(folder, file), expected);
      for (const { name, tensor } of tensors) found.set(`${file}/${name}`, tensor);
    }
  } catch (error) {
    tf.dispose([...found.values()]);
    throw error;
  }
  return stateFrom(specs, parts, (file, name) => found.get(`${file}/${name}`)!);
}

/**
 * Reads the model of a checkpoint only, its tensors in the order of `specs`; with `ema` the running mean of its weights.
 *
 * @throws as `loadState` does
 */
export async function loadModel(folder: string, specs: readonly TensorSpec[], ema = false): Promise<tf.Tensor[]> {
  const part = ema ? "ema" : "params";
  return (await loadState(folder, specs, [part]))[part]!;
}

async function readSums(folder: string): Promise<Map<string, string>> {
  const file = path.join(folder, SUMS_FILE);
  const text = await fs.readFile(file, "utf8").catch((error: unknown) => {
    throw isMissing(error) ? new DamagedCheckpointError(`${file} is missing`) : error;
  });
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [, sha256, name] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
        if (name === undefined) throw damaged(file);
        return [name, sha256];
      }),
  );
}

async function checkSum(folder: string, name: string, sums: ReadonlyMap<string, string>): Promise<void> {
  const file = path.join(folder, name);
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  } catch (error) {
    throw isMissing(error) ? new DamagedCheckpointError(`${file} is missing`) : error;
  }
  if (hash.digest("hex") !== sums.get(name)) throw damaged(file);
}

function damaged(file: string): DamagedCheckpointError {
  return new DamagedCheckpointError(`${file} is damaged (its SHA-256 differs)`);
}
