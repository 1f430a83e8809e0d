import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { ModelConfig } from "../config";
import { listToParams, type NamedTensor, type Params } from "../params";
import { isRecord, openSafetensors, type Entry, type SafetensorsReader } from "../safetensors";
import { fromHuggingFaceConfig } from "./config";
import { placePart, weightTable, type ForeignPart, type WeightRow } from "./weights";

/** Weights that old checkpoints carry though they follow from the configuration. */
const DERIVED = /\.rotary_emb\.inv_freq$/;

/** Where a checkpoint's tensors lie. */
interface Checkpoint {
  readonly places: ReadonlyMap<string, { readonly entry: Entry; readonly reader: SafetensorsReader }>;
  close(): Promise<void>;
}

/**
 * Reads a Hugging Face directory: a LLaMA model without grouped queries and biases, or a Lory model that `exportHuggingFace`
 * wrote. Tensors are read one by one and go to the current backend, as float32.
 *
 * @throws Error that names the file and the key or the tensor that is missing, too much, damaged or of another shape
 */
export async function importHuggingFace(folder: string): Promise<{ params: Params; config: ModelConfig }> {
  const file = path.join(folder, "config.json");
  const config = fromHuggingFaceConfig(await readJson(file), file);
  const table = weightTable(config);
  const checkpoint = await openCheckpoint(folder);
  const list: NamedTensor[] = [];
  try {
    checkNames(table, checkpoint, folder);
    for (const row of table) list.push({ name: row.name, tensor: await readRow(row, checkpoint, folder) });
    return { params: listToParams(list), config };
  } catch (error) {
    tf.dispose(list.map(({ tensor }) => tensor));
    throw error;
  } finally {
    await checkpoint.close();
  }
}

async function readRow(row: WeightRow, { places }: Checkpoint, folder: string): Promise<tf.Tensor> {
  const target = new Float32Array(tf.util.sizeFromShape([...row.shape]));
  for (const part of row.parts) {
    const { entry, reader } = places.get(part.name)!;
    const values = await reader.read(entry);
    if (!(values instanceof Float32Array))
      throw new Error(`${folder}: tensor "${part.name}" has dtype ${entry.format}`);
    placePart(row, part, values, target);
  }
  return tf.tensor(target, [...row.shape], "float32");
}

/** Every tensor of the model is there, in its shape, and nothing else is. */
function checkNames(table: readonly WeightRow[], { places }: Checkpoint, folder: string): void {
  const expected = new Map<string, ForeignPart>(table.flatMap(({ parts }) => parts.map((part) => [part.name, part])));
  for (const [name, { shape }] of expected) {
    const found = places.get(name)?.entry;
    if (found === undefined) throw new Error(`${folder} lacks tensor "${name}"`);
    if (found.shape.join() !== shape.join()) {
      throw new Error(
        `${folder}: tensor "${name}" has shape [${found.shape.join(", ")}], config.json asks for [${shape.join(", ")}]`,
      );
    }
  }
  for (const name of places.keys()) {
    if (!expected.has(name) && !DERIVED.test(name))
      throw new Error(`${folder} holds tensor "${name}", which is not expected`);
  }
}

async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const readers: SafetensorsReader[] = [];
  const places = new Map<string, { entry: Entry; reader: SafetensorsReader }>();
  const close = async (): Promise<void> => {
    for (const reader of readers) await reader.close();
  };
  try {
    const weightMap = await readIndex(folder);
    const files = weightMap === undefined ? ["model.safetensors"] : [...new Set(weightMap.values())];
    for (const file of files) {
      const reader = await openSafetensors(path.join(folder, file));
      readers.push(reader);
      for (const entry of reader.entries) {
        if (weightMap !== undefined && weightMap.get(entry.name) !== file) {
          throw new Error(`${folder}: ${file} holds tensor "${entry.name}", which the index does not place there`);
        }
        places.set(entry.name, { entry, reader });
      }
    }
    for (const [name, file] of weightMap ?? []) {
      if (!places.has(name)) throw new Error(`${folder}: the index places tensor "${name}" in ${file}, which lacks it`);
    }
    return { places, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Tensor names to files; undefined for a checkpoint in one file. */
async function readIndex(folder: string): Promise<Map<string, string> | undefined> {
  const file = path.join(folder, "model.safetensors.index.json");
  if (!existsSync(file)) return undefined;
  const { weight_map: weightMap } = await readJson(file);
  if (!isRecord(weightMap)) throw new Error(`${file} has no weight_map`);
  const pairs = Object.entries(weightMap);
  for (const [name, shard] of pairs) {
    // Only files of the folder itself: an index must not lead elsewhere.
    if (typeof shard !== "string" || path.basename(shard) !== shard || !shard.endsWith(".safetensors")) {
      throw new Error(`${file} places tensor "${name}" in ${JSON.stringify(shard)}, which is no file of the folder`);
    }
  }
  return new Map(pairs as [string, string][]);
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  const text = await fs.readFile(file, "utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON`, { cause: error });
  }
  if (!isRecord(value)) throw new Error(`${file} is not a JSON object`);
  return value;
}
