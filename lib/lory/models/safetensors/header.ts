/**
 * Tensors in a file, in the safetensors format: an unsigned 64-bit length (little endian), a JSON header of that many
 * bytes, then the tensors' bytes without a gap. https://huggingface.co/docs/safetensors (section "Format").
 */
import { FORMAT_NAMES, FORMATS, type FormatName } from "./formats";

/** One tensor's place in a file; offsets count from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly format: FormatName;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A tensor to be written. */
export type EntryToWrite = Pick<Entry, "name" | "format" | "shape">;

export const LENGTH_BYTES = 8;
/** The bound of the reference implementation: a longer header is taken for damage. */
export const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = "__metadata__";

/**
 * The beginning of a file that holds these tensors, one after another.
 *
 * @throws Error for a name that is given twice
 */
export function encodeHeader(entries: readonly EntryToWrite[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const described = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) described.set(METADATA_KEY, metadata);
  let offset = 0;
  for (const { name, format, shape } of entries) {
    if (described.has(name) || name === METADATA_KEY) throw new Error(`safetensors: the name "${name}" is taken`);
    const end = offset + sizeBytesOf({ format, shape });
    described.set(name, { dtype: format, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(described)), "utf8");
  // Trailing spaces are part of the format: they align the data to 8 bytes.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(LENGTH_BYTES + headerBytes, " ");
  header.writeBigUInt64LE(BigInt(headerBytes));
  json.copy(header, LENGTH_BYTES);
  return header;
}

/** Bytes of a tensor's data. */
export function sizeBytesOf({ format, shape }: Pick<Entry, "format" | "shape">): number {
  return shape.reduce((product, size) => product * size, FORMATS[format].itemBytes);
}

/**
 * The tensors that a header describes, in the order of their bytes.
 *
 * @param text the header's JSON
 * @param dataBytes bytes of the file after the header: the tensors must cover them without gap or overlap
 * @param file for errors
 * @throws Error that names the file and the tensor that is wrong
 */
export function parseHeader(
  text: string,
  dataBytes: number,
  file: string,
): { entries: Entry[]; metadata: Record<string, string> } {
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
    if (end > dataBytes) {
      throw new Error(`${file} is cut: tensor "${name}" ends at byte ${end} of the data, which ends at ${dataBytes}`);
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw new Error(`${file}: ${dataBytes - covered} bytes after the last tensor belong to none`);
  }
  return { entries, metadata };
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
  const sizeBytes = sizeBytesOf({ format, shape });
  if (end - begin !== sizeBytes) {
    throw new Error(`${where} spans ${end - begin} bytes; ${format} of shape [${shape.join(", ")}] needs ${sizeBytes}`);
  }
  return { name, format, shape, begin, end };
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

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStringRecord(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((entry) => typeof entry === "string");
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}
