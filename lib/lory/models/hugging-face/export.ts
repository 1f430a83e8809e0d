import fs from "node:fs/promises";
import path from "node:path";
import type * as tf from "@tensorflow/tfjs-core";
import type { ModelConfig } from "../config";
import { paramsToList, type Params } from "../params";
import { sizeBytesOf, writeSafetensorsFrom, type FormatName, type TensorSource } from "../safetensors";
import { MODELING_MODULE, toHuggingFaceConfig } from "./config";
import { takePart, weightTable, type WeightRow } from "./weights";

export interface ExportOptions {
  /** What weights are written as; bfloat16 rounds. */
  readonly dtype?: "float32" | "bfloat16";
  /** Bytes of one file of weights at most, unless a single tensor is larger; 5 GB as in `transformers`. */
  readonly maxShardBytes?: number;
  /** A `tokenizer.json` to go with the model. */
  readonly tokenizerFile?: string;
}

/**
 * Writes a model as a Hugging Face directory: `config.json`, `model.safetensors` (or shards with an index). A dense model,
 * or one merged for a prompt (`denseRow`), is a `LlamaForCausalLM`; a Lory model comes with the file of Python that runs it
 * (`AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)`).
 *
 * Everything is written under a temporary name beside `folder`, which appears when it is complete. One tensor at a time
 * is held by the host.
 *
 * @param folder must not exist, or be empty
 * @throws Error if it does, or if the parameters are not those of `config`
 */
export async function exportHuggingFace(
  folder: string,
  params: Params,
  config: ModelConfig,
  options: ExportOptions = {},
): Promise<void> {
  const { dtype = "float32", maxShardBytes = 5e9, tokenizerFile } = options;
  if (!(maxShardBytes > 0)) throw new Error(`maxShardBytes is ${maxShardBytes}: expected a number above 0`);
  const table = weightTable(config);
  const tensors = checkedTensors(table, params);
  const temporary = `${path.resolve(folder)}.writing-${process.pid}`;
  await fs.mkdir(path.dirname(temporary), { recursive: true });
  await fs.mkdir(temporary);
  try {
    await writeJson(temporary, "config.json", toHuggingFaceConfig(config, dtype));
    await writeWeights(temporary, table, tensors, dtype === "float32" ? "F32" : "BF16", maxShardBytes);
    if (config.numExperts > 0) {
      const file = `${MODELING_MODULE}.py`;
      const source = path.join(path.dirname(require.resolve("lory/package.json")), "models", "hugging-face", file);
      await fs.copyFile(source, path.join(temporary, file));
    }
    if (tokenizerFile !== undefined) await fs.copyFile(tokenizerFile, path.join(temporary, "tokenizer.json"));
    // Renaming takes the place of an empty folder, and of no other.
    await fs.rename(temporary, folder);
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

function checkedTensors(table: readonly WeightRow[], params: Params): Map<string, tf.Tensor> {
  const tensors = new Map(paramsToList(params).map(({ name, tensor }) => [name, tensor]));
  for (const { name, shape } of table) {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`the parameters lack ${name}, which the configuration asks for`);
    if (found.shape.join() !== shape.join()) {
      throw new Error(
        `${name} has shape [${found.shape.join(", ")}], the configuration asks for [${shape.join(", ")}]`,
      );
    }
  }
  for (const name of tensors.keys()) {
    if (!table.some((row) => row.name === name)) throw new Error(`${name} is not part of the configuration's model`);
  }
  return tensors;
}

async function writeWeights(
  folder: string,
  table: readonly WeightRow[],
  tensors: ReadonlyMap<string, tf.Tensor>,
  format: FormatName,
  maxShardBytes: number,
): Promise<void> {
  const shards = groupBySize(sources(table, tensors, format), maxShardBytes);
  const metadata = { format: "pt" };
  if (shards.length === 1) {
    await writeSafetensorsFrom(path.join(folder, "model.safetensors"), shards[0], metadata);
    return;
  }
  const weightMap: Record<string, string> = {};
  let totalBytes = 0;
  for (const [i, shard] of shards.entries()) {
    const number = (n: number): string => String(n).padStart(5, "0");
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensorsFrom(path.join(folder, file), shard, metadata);
    for (const source of shard) {
      weightMap[source.name] = file;
      totalBytes += sizeBytesOf(source);
    }
  }
  const index = { metadata: { total_size: totalBytes }, weight_map: weightMap };
  await writeJson(folder, "model.safetensors.index.json", index);
}

/** The checkpoint's tensors, fetched from the device when they are written. */
function sources(
  table: readonly WeightRow[],
  tensors: ReadonlyMap<string, tf.Tensor>,
  format: FormatName,
): TensorSource[] {
  // The parts of one tensor are written one after another: it is fetched once.
  let last: { readonly name: string; readonly values: Float32Array } | undefined;
  const fetch = async (name: string): Promise<Float32Array> => {
    if (last?.name !== name) last = { name, values: await tensors.get(name)!.data<"float32">() };
    return last.values;
  };
  return table.flatMap((row) =>
    row.parts.map((part): TensorSource => {
      const values = async (): Promise<Float32Array> => takePart(row, part, await fetch(row.name));
      return { name: part.name, format, shape: part.shape, values };
    }),
  );
}

function groupBySize(all: readonly TensorSource[], maxBytes: number): TensorSource[][] {
  const groups: TensorSource[][] = [];
  let room = 0;
  for (const source of all) {
    const bytes = sizeBytesOf(source);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = maxBytes;
    }
    groups[groups.length - 1].push(source);
    room -= bytes;
  }
  return groups;
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await fs.writeFile(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}
