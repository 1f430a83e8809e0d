import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensor } from "../params";
import { FORMAT_NAMES, FORMATS, type FormatName } from "./formats";
import { encodeHeader, type EntryToWrite } from "./header";

/** A tensor to be written, whose values are fetched when its turn comes. */
export interface TensorSource extends EntryToWrite {
  readonly values: () => Promise<Float32Array | Int32Array>;
}

/** What was written: the file's size and the SHA-256 of its bytes (hexadecimal). */
export interface WrittenFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Files are written in pieces, since one system call moves less than 2 GiB. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * Writes tensors of float32 and int32 to a new file; see `writeSafetensorsFrom`.
 *
 * @throws a tensor of another dtype, two tensors of one name, or the file system's error
 */
export async function writeSafetensors(
  file: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const sources = tensors.map(({ name, tensor }): TensorSource => {
    const format = FORMAT_NAMES.find((candidate) => FORMATS[candidate].dtype === tensor.dtype);
    if (!format) throw new Error(`safetensors: tensor "${name}" is ${tensor.dtype}; float32 and int32 can be written`);
    return {
      name,
      format,
      shape: tensor.shape,
      values: async () => (await tensor.data()) as Float32Array | Int32Array,
    };
  });
  return writeSafetensorsFrom(file, sources, metadata);
}

/**
 * Writes tensors to a new file, one at a time: the host never holds more than one of them. The file is flushed to the
 * disk before the promise resolves; after an error no file is left.
 *
 * @param file must not exist
 * @param metadata free strings, kept in the header
 * @throws two tensors of one name, values of another number than the shape says, or the file system's error
 */
export async function writeSafetensorsFrom(
  file: string,
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const header = encodeHeader(sources, metadata);
  const handle = await fs.open(file, "wx");
  try {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const append = async (bytes: Uint8Array): Promise<void> => {
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        const piece = bytes.subarray(start, start + PIECE_BYTES);
        hash.update(piece);
        await writeAll(handle, piece);
      }
      sizeBytes += bytes.length;
    };
    await append(header);
    for (const { name, format, shape, values } of sources) {
      const fetched = await values();
      const count = tf.util.sizeFromShape([...shape]);
      if (fetched.length !== count) {
        throw new Error(`safetensors: tensor "${name}" has ${fetched.length} values, its shape [${shape.join(", ")}]`);
      }
      await append(encoded(format, fetched, name));
    }
    await handle.sync();
    await handle.close();
    return { sizeBytes, sha256: hash.digest("hex") };
  } catch (error) {
    await handle.close();
    await fs.rm(file, { force: true });
    throw error;
  }
}

function encoded(format: FormatName, values: Float32Array | Int32Array, name: string): Uint8Array {
  const row = FORMATS[format];
  if (!("bytes" in row)) throw new Error(`safetensors: tensor "${name}" cannot be written as ${format}`);
  return row.bytes(values);
}

async function writeAll(handle: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}
