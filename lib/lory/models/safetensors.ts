/**
 * Tensors in a file, in the safetensors format: an unsigned 64-bit length (little endian), a JSON header of that many
 * bytes, then the tensors' bytes without a gap. https://huggingface.co/docs/safetensors (section "Format").
 */
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensor } from "./params";

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

interface Entry {
  readonly name: string;
  readonly format: FormatName;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

/** One row for each dtype of the format that is read and written: its size, tfjs's name for it, how bytes become values. */
const FORMATS = {
  F32: { itemBytes: 4, dtype: "float32", values: (bytes: ArrayBuffer) => new Float32Array(bytes) },
  I32: { itemBytes: 4, dtype: "int32", values: (bytes: ArrayBuffer) => new Int32Array(bytes) },
} as const satisfies Record<string, Format>;

interface Format {
  readonly itemBytes: number;
  readonly dtype: tf.DataType;
  readonly values: (bytes: ArrayBuffer) => Float32Array | Int32Array;
}

type FormatName = keyof typeof FORMATS;

const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];
const METADATA_KEY = "__metadata__";
const LENGTH_BYTES = 8;
/** The bound of the reference implementation: a longer header is taken for damage. */
const MAX_HEADER_BYTES = 100_000_000;
/** Files are read and written in pieces, since one system call moves less than 2 GiB. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * Writes tensors to a new file, one at a time: the host never holds more than one of them. The file is flushed to the
 * disk before the promise resolves; after an error no file is left.
 *
 * @param file must not exist
 * @param metadata free strings, kept in the header
 * @returns the file's size and the SHA-256 of its bytes (hexadecimal)
 * @throws a tensor of a dtype that the format table lacks, two tensors of one name, or the file system's error
 */
export async function writeSafetensors(
  file: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<{ sizeBytes: number; sha256: string }> {
  const header = encodeHeader(tensors, metadata);
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
    for (const { tensor } of tensors) {
      const values = (await tensor.data()) as Float32Array | Int32Array;
      await append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
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

/**
 * Reads every tensor of a file onto the current backend. The header is checked before any tensor is read: entries must
 * be of known dtypes, lie inside the file and cover its data without gap or overlap.
 *
 * @param expected when given, the file must hold exactly these tensors, of these shapes and dtypes
 * @throws an error that names the file and the tensor that is wrong
 */
export async function readSafetensors(file: string, expected?: readonly TensorSpec[]): Promise<SafetensorsFile> {
  const handle = await fs.open(file, "r");
  const tensors: NamedTensor[] = [];
  try {
    const { size } = await handle.stat();
    const { entries, metadata, dataStart } = await readHeader(handle, size, file);
    if (expected) checkExpected(entries, expected, file);
    for (const { name, format, shape, begin, end } of entries) {
      const bytes = await readExactly(handle, dataStart + begin, end - begin, file);
      tensors.push({ name, tensor: tf.tensor(FORMATS[format].values(bytes), shape, FORMATS[format].dtype) });
    }
    return { tensors, metadata };
  } catch (error) {
    tf.dispose(tensors.map(({ tensor }) => tensor));
    throw error;
  } finally {
    await handle.close();
  }
}

function encodeHeader(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set(METADATA_KEY, metadata);
  let offset = 0;
  for (const { name, tensor } of tensors) {
    if (entries.has(name) || name === METADATA_KEY) throw new Error(`safetensors: the name "${name}" is taken`);
    const format = FORMAT_NAMES.find((candidate) => FORMATS[candidate].dtype === tensor.dtype);
    if (!format) {
      throw new Error(`safetensors: tensor "${name}" is ${tensor.dtype}; ${FORMAT_NAMES.join(" and ")} can be written`);
    }
    const end = offset + tensor.size * FORMATS[format].itemBytes;
    entries.set(name, { dtype: format, shape: tensor.shape, data_offsets: [offset, end] });
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)), "utf8");
  // Trailing spaces are part of the format: they align the data to 8 bytes.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(LENGTH_BYTES + headerBytes, " ");
  header.writeBigUInt64LE(BigInt(headerBytes));
  json.copy(header, LENGTH_BYTES);
  return header;
}

async function readHeader(
  handle: fs.FileHandle,
  fileBytes: number,
  file: string,
): Promise<{ entries: Entry[]; metadata: Record<string, string>; dataStart: number }> {
  if (fileBytes < LENGTH_BYTES) throw new Error(`${file} is not a safetensors file: it has ${fileBytes} bytes`);
  const length = new DataView(await readExactly(handle, 0, LENGTH_BYTES, file)).getBigUint64(0, true);
  if (length > BigInt(Math.min(fileBytes - LENGTH_BYTES, MAX_HEADER_BYTES))) {
    throw new Error(`${file} is damaged or cut: its header claims ${length} bytes, the file has ${fileBytes}`);
  }
  const dataStart = LENGTH_BYTES + Number(length);
  const text = Buffer.from(await readExactly(handle, LENGTH_BYTES, Number(length), file)).toString("utf8");
  const header = parseObject(text, file);
  const metadata = header[METADATA_KEY] ?? {};
  if (!isStringRecord(metadata)) throw new Error(`${file}: ${METADATA_KEY} must map strings to strings`);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, value]) => parseEntry(name, value, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      const fault = begin < covered ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new Error(`${file}: tensor "${name}" ${fault} (bytes ${begin} to ${end}, expected a start at ${covered})`);
    }
    if (dataStart + end > fileBytes) {
      throw new Error(`${file} is cut: tensor "${name}" ends at byte ${dataStart + end}, the file at ${fileBytes}`);
    }
    covered = end;
  }
  if (dataStart + covered !== fileBytes) {
    throw new Error(`${file}: ${fileBytes - dataStart - covered} bytes after the last tensor belong to none`);
  }
  return { entries, metadata, dataStart };
}

function parseEntry(name: string, value: unknown, file: string): Entry {
  const where = `${file}: tensor "${name}"`;
  if (!isRecord(value)) throw new Error(`${where} has no description`);
  const { dtype, shape, data_offsets: offsets } = value;
  const format = FORMAT_NAMES.find((candidate) => candidate === dtype);
  if (!format) throw new Error(`${where} has dtype ${String(dtype)}; ${FORMAT_NAMES.join(" and ")} can be read`);
  if (!isSizes(shape)) throw new Error(`${where} has shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) throw new Error(`${where} has offsets ${JSON.stringify(offsets)}`);
  const [begin, end] = offsets;
  const sizeBytes = shape.reduce((product, size) => product * size, FORMATS[format].itemBytes);
  if (end - begin !== sizeBytes) {
    throw new Error(`${where} spans ${end - begin} bytes; ${format} of shape [${shape.join(", ")}] needs ${sizeBytes}`);
  }
  return { name, format, shape, begin, end };
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

async function writeAll(handle: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
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

function parseObject(text: string, file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch (error) {
    throw new Error(`${file} is damaged: its header is not JSON`, { cause: error });
  }
  throw new Error(`${file} is damaged: its header is not a JSON object`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStringRecord(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((entry) => typeof entry === "string");
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}
