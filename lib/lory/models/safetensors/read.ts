import fs from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensor } from "../params";
import { FORMATS } from "./formats";
import { LENGTH_BYTES, MAX_HEADER_BYTES, parseHeader, type Entry } from "./header";

/** What a reader expects to find: the tensor's name, shape and tfjs dtype. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: tf.DataType;
}

export interface SafetensorsFile {
  /** In the order of their bytes in the file. */
  readonly tensors: NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A file whose header has been read and checked, and whose tensors are read one by one. */
export interface SafetensorsReader {
  /** In the order of their bytes in the file. */
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** One tensor's values; half precision as float32. */
  read(entry: Entry): Promise<Float32Array | Int32Array>;
  close(): Promise<void>;
}

/** Files are read in pieces, since one system call moves less than 2 GiB. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * Opens a file. Its header is checked: entries must be of known dtypes, lie inside the file and cover its data without gap
 * or overlap.
 *
 * @throws an error that names the file and the tensor that is wrong
 */
export async function openSafetensors(file: string): Promise<SafetensorsReader> {
  const handle = await fs.open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size < LENGTH_BYTES) throw new Error(`${file} is not a safetensors file: it has ${size} bytes`);
    const length = new DataView(await readExactly(handle, 0, LENGTH_BYTES, file)).getBigUint64(0, true);
    if (length > BigInt(Math.min(size - LENGTH_BYTES, MAX_HEADER_BYTES))) {
      throw new Error(`${file} is damaged or cut: its header claims ${length} bytes, the file has ${size}`);
    }
    const dataStart = LENGTH_BYTES + Number(length);
    const text = Buffer.from(await readExactly(handle, LENGTH_BYTES, Number(length), file)).toString("utf8");
    return {
      ...parseHeader(text, size - dataStart, file),
      read: async ({ format, begin, end }) =>
        FORMATS[format].values(await readExactly(handle, dataStart + begin, end - begin, file)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads every tensor of a file onto the current backend.
 *
 * @param expected when given, the file must hold exactly these tensors, of these shapes and dtypes
 * @throws as `openSafetensors` does
 */
export async function readSafetensors(file: string, expected?: readonly TensorSpec[]): Promise<SafetensorsFile> {
  const reader = await openSafetensors(file);
  const tensors: NamedTensor[] = [];
  try {
    if (expected) checkExpected(reader.entries, expected, file);
    for (const entry of reader.entries) {
      const { name, format, shape } = entry;
      tensors.push({ name, tensor: tf.tensor(await reader.read(entry), [...shape], FORMATS[format].dtype) });
    }
    return { tensors, metadata: reader.metadata };
  } catch (error) {
    tf.dispose(tensors.map(({ tensor }) => tensor));
    throw error;
  } finally {
    await reader.close();
  }
}

function checkExpected(entries: readonly Entry[], expected: readonly TensorSpec[], file: string): void {
  const found = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { name, shape, dtype } of expected) {
    const entry = found.get(name);
    if (!entry) throw new Error(`${file} lacks tensor "${name}"`);
    found.delete(name);
    if (FORMATS[entry.format].dtype !== dtype) {
      throw new Error(`${file}: tensor "${name}" is ${FORMATS[entry.format].dtype}, expected ${dtype}`);
    }
    if (entry.shape.join() !== shape.join()) {
      throw new Error(
        `${file}: tensor "${name}" has shape [${entry.shape.join(", ")}], expected [${shape.join(", ")}]`,
      );
    }
  }
  for (const name of found.keys()) throw new Error(`${file} holds tensor "${name}", which is not expected`);
}

async function readExactly(handle: fs.FileHandle, start: number, length: number, file: string): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(PIECE_BYTES, length - done), start + done);
    if (bytesRead === 0) throw new Error(`${file} is cut: it ends at byte ${start + done}, expected ${start + length}`);
    done += bytesRead;
  }
  return bytes.buffer;
}
