import fs from "node:fs/promises";
import { describeNpy } from "../data/npy";

/** Integers of `.npy` files, as they are laid out: little endian. */
const READERS: Readonly<
  Record<string, { readonly itemBytes: number; readonly read: (view: DataView, at: number) => number }>
> = {
  "|u1": { itemBytes: 1, read: (view, at) => view.getUint8(at) },
  "<u2": { itemBytes: 2, read: (view, at) => view.getUint16(at, true) },
  "<u4": { itemBytes: 4, read: (view, at) => view.getUint32(at, true) },
  "<i4": { itemBytes: 4, read: (view, at) => view.getInt32(at, true) },
  "<i8": { itemBytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
};

/** Token ids, [rows, length]. */
export interface TokenRows {
  readonly rows: number;
  readonly length: number;
  readonly ids: Int32Array;
}

/**
 * Reads a `.npy` file of token ids: integers of one axis (a row) or two, in C order.
 *
 * @param vocabSize ids are 0 .. vocabSize - 1
 * @throws Error that names the file and what is wrong: its elements, its shape, its size, or the first id outside the vocabulary
 */
export async function readTokenRows(file: string, vocabSize: number): Promise<TokenRows> {
  const refuse = (why: string): never => {
    throw new Error(`${file} cannot be read as token ids: ${why}`);
  };
  const bytes = await fs.readFile(file);
  const { elements, isFortranOrder, shape, dataOffset } = describeNpy(bytes, refuse);
  const { itemBytes, read } =
    READERS[elements] ?? refuse(`its elements are ${elements}, expected one of ${Object.keys(READERS).join(", ")}`);
  if (isFortranOrder) refuse("it is in Fortran order");
  if (shape.length < 1 || shape.length > 2) refuse(`its shape is (${shape.join(", ")}), expected one or two axes`);
  const [rows, length] = shape.length === 1 ? [1, shape[0]] : shape;
  if (rows < 1 || length < 1) refuse(`its shape is (${shape.join(", ")}): there is no token`);
  const expected = dataOffset + rows * length * itemBytes;
  if (bytes.length !== expected) refuse(`it holds ${bytes.length} bytes, its header promises ${expected}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + dataOffset);
  const ids = new Int32Array(rows * length);
  for (let i = 0; i < ids.length; i++) {
    const id = read(view, i * itemBytes);
    if (!(id >= 0 && id < vocabSize)) {
      refuse(`token ${i % length} of row ${Math.floor(i / length)} is ${id}, the vocabulary is 0 to ${vocabSize - 1}`);
    }
    ids[i] = id;
  }
  return { rows, length, ids };
}
