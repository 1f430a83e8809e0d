/** `.npy` files of two axes: embeddings (`<f4`) and neighbours (`<i4`). `numpy.load(path)` opens them, and FAISS takes what it gives. */
import { readFileSync } from "node:fs";
import { CorpusError, messageOf } from "./corpus-error";
import { describeNpy, npyFileHeader } from "./npy";

export type MatrixArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Rows of numbers, one after the other. */
export interface Matrix<A extends MatrixArray> {
  readonly rows: number;
  readonly columns: number;
  readonly values: A;
}

const KINDS = { "<f4": Float32Array, "<i4": Int32Array } as const;

/** A whole `.npy` file of a matrix. */
export function encodeMatrix(values: Float32Array | Int32Array, columns: number): Buffer {
  const elements = values instanceof Float32Array ? "<f4" : "<i4";
  const header = npyFileHeader(elements, [values.length / columns, columns]);
  return Buffer.concat([header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

/**
 * Reads a `.npy` file of a matrix.
 *
 * @param elements NumPy's name of the elements that are expected
 * @throws CorpusError for a missing file, other elements, other axes, and a size that does not fit
 */
export function readMatrix<E extends keyof typeof KINDS>(
  file: string,
  elements: E,
): Matrix<InstanceType<(typeof KINDS)[E]> & MatrixArray> {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw new CorpusError(`cannot read ${file}: ${messageOf(error)}`);
  }
  const refuse = (why: string): never => {
    throw new CorpusError(`${file} is not a matrix of ${elements}: ${why}`);
  };
  const found = describeNpy(content, refuse);
  if (found.elements !== elements) refuse(`its elements are ${found.elements}`);
  if (found.isFortranOrder) refuse("it is in Fortran order");
  if (found.shape.length !== 2) refuse(`its shape is (${found.shape.join(", ")}), expected two axes`);
  const [rows, columns] = found.shape;
  const bytes = content.subarray(found.dataOffset);
  if (bytes.length !== 4 * rows * columns) {
    refuse(`it holds ${bytes.length} bytes of numbers, its header promises ${4 * rows * columns}`);
  }
  const copy = new Uint8Array(bytes).buffer;
  return { rows, columns, values: new KINDS[elements](copy) as InstanceType<(typeof KINDS)[E]> & MatrixArray };
}
