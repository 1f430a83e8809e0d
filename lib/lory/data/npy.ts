/**
 * NumPy's `.npy` files, the part that token shards need: little-endian uint16 and uint32 arrays of one axis.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1.0 and 2.0 are read,
 * 1.0 is written). `numpy.load(path, mmap_mode="r")` opens what is written here.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CorpusError, messageOf } from "./corpus-error";

export type NpyDtype = "uint16" | "uint32";
export type NpyArray = Uint16Array | Uint32Array;

const DESCRIPTION = { uint16: "<u2", uint32: "<u4" } as const satisfies Record<NpyDtype, string>;
const ITEM_BYTES = { uint16: 2, uint32: 4 } as const satisfies Record<NpyDtype, number>;
const MAGIC = Buffer.from("\x93NUMPY", "latin1");
const LARGEST_UINT16 = 0xffff;
const ALIGNMENT = 64;
const LONGEST_HEADER = 4096;

/** The element type of a typed array that `.npy` files here can hold. */
export function npyDtype(array: NpyArray): NpyDtype {
  return array instanceof Uint16Array ? "uint16" : "uint32";
}

/** The narrowest elements that hold all ids below `vocabSize`. */
export function npyDtypeFor(vocabSize: number): NpyDtype {
  return vocabSize - 1 > LARGEST_UINT16 ? "uint32" : "uint16";
}

/** The bytes that stand before the data of an array of one axis. */
export function npyHeader(dtype: NpyDtype, length: number): Buffer {
  return npyFileHeader(DESCRIPTION[dtype], [length]);
}

/** The bytes that stand before the data of any array, given NumPy's name of its elements (`<u2`) and its shape. */
export function npyFileHeader(elements: string, shape: readonly number[]): Buffer {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${elements}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const unpadded = MAGIC.length + 4 + dictionary.length + 1;
  const padded = Math.ceil(unpadded / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(padded, " ");
  MAGIC.copy(header);
  header.writeUInt8(1, 6);
  header.writeUInt8(0, 7);
  header.writeUInt16LE(padded - 10, 8);
  header.write(dictionary, 10, "latin1");
  header.write("\n", padded - 1, "latin1");
  return header;
}

/** A whole `.npy` file of one array. */
export function encodeNpy(array: NpyArray): Buffer {
  const data = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return Buffer.concat([npyHeader(npyDtype(array), array.length), data]);
}

export interface NpyHeader {
  dtype: NpyDtype;
  length: number;
  /** Position in bytes of the first element. */
  dataOffset: number;
}

/** What the header of any `.npy` file says. */
export interface NpyDescription {
  /** NumPy's name of the elements: `<u2`. */
  readonly elements: string;
  readonly isFortranOrder: boolean;
  readonly shape: readonly number[];
  /** Position in bytes of the first element. */
  readonly dataOffset: number;
}

/**
 * Reads the header of a `.npy` file.
 *
 * @param start the file's first bytes, at least its whole header
 * @param refuse throws, given what is wrong
 */
export function describeNpy(start: Buffer, refuse: (why: string) => never): NpyDescription {
  if (start.length < 12 || !start.subarray(0, 6).equals(MAGIC)) refuse("it does not start like a .npy file");
  const major = start.readUInt8(6);
  if (major !== 1 && major !== 2) refuse(`.npy version ${major} is not known`);
  const dictionaryAt = major === 1 ? 10 : 12;
  const dictionaryBytes = major === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const dataOffset = dictionaryAt + dictionaryBytes;
  if (dataOffset > start.length) refuse("its header is cut short");
  const dictionary = start.toString("latin1", dictionaryAt, dataOffset);
  const fields =
    /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), ?\} *\n$/.exec(dictionary) ??
    refuse(`its header reads ${JSON.stringify(dictionary.trim())}`);
  const [, elements, fortran, sizes] = fields;
  const shape = sizes.split(",").filter((size) => size.trim() !== "");
  return { elements, isFortranOrder: fortran === "True", shape: shape.map(Number), dataOffset };
}

/**
 * Reads a header and refuses whatever is not a little-endian uint16 or uint32 array of one axis.
 *
 * @param start the file's first bytes, at least its whole header
 * @param file named in errors
 */
export function parseNpyHeader(start: Buffer, file: string): NpyHeader {
  const refuse = (why: string): never => {
    throw new CorpusError(`${file} is not a token shard: ${why}`);
  };
  const { elements, isFortranOrder, shape, dataOffset } = describeNpy(start, refuse);
  const dtype =
    (Object.keys(DESCRIPTION) as NpyDtype[]).find((name) => DESCRIPTION[name] === elements) ??
    refuse(`its elements are ${elements}, expected <u2 or <u4`);
  if (isFortranOrder) refuse("it is in Fortran order");
  if (shape.length !== 1) refuse(`its shape is (${shape.join(", ")}), expected one axis`);
  return { dtype, length: shape[0], dataOffset };
}

/** A `.npy` file that is read by position; nothing of it is held in memory. */
export interface NpyFile {
  readonly dtype: NpyDtype;
  readonly length: number;
  /** Elements `start` to `start + count`. */
  read(start: number, count: number): NpyArray;
  close(): void;
}

/**
 * Opens a `.npy` file and checks that its size is what the header says.
 *
 * @throws CorpusError for a missing file, another dtype or shape, or a size that does not fit
 */
export function openNpy(file: string): NpyFile {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    throw new CorpusError(`cannot open ${file}: ${messageOf(error)}`);
  }
  try {
    const sizeBytes = fstatSync(descriptor).size;
    const start = Buffer.alloc(Math.min(sizeBytes, LONGEST_HEADER));
    readSync(descriptor, start, 0, start.length, 0);
    const { dtype, length, dataOffset } = parseNpyHeader(start, file);
    const itemBytes = ITEM_BYTES[dtype];
    const expectedBytes = dataOffset + length * itemBytes;
    if (sizeBytes !== expectedBytes) {
      throw new CorpusError(`${file} holds ${sizeBytes} bytes, its header promises ${expectedBytes}: it is damaged`);
    }
    const read = (first: number, count: number): NpyArray => {
      if (first < 0 || count < 0 || first + count > length) {
        throw new RangeError(`elements ${first} to ${first + count} of ${file}, which has ${length}`);
      }
      const bytes = new ArrayBuffer(count * itemBytes);
      const view = new Uint8Array(bytes);
      for (let done = 0; done < view.length;) {
        const got = readSync(descriptor, view, done, view.length - done, dataOffset + first * itemBytes + done);
        if (got === 0) throw new CorpusError(`${file} became shorter while it was read`);
        done += got;
      }
      return dtype === "uint16" ? new Uint16Array(bytes) : new Uint32Array(bytes);
    };
    return { dtype, length, read, close: () => closeSync(descriptor) };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** A whole `.npy` file as an array. */
export function readNpy(file: string): NpyArray {
  const npy = openNpy(file);
  try {
    return npy.read(0, npy.length);
  } finally {
    npy.close();
  }
}
