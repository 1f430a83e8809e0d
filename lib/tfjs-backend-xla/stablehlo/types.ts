/** Element types as MLIR prints them; `c64` is a pair of f32, complex<f32>. */
export type DType = "i1" | "i8" | "i32" | "i64" | "ui8" | "ui32" | "ui64" | "bf16" | "f16" | "f32" | "f64" | "c64";

/** A dense tensor of static shape. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Signedness and class of each element type: what shape inference and printing ask. */
const CLASS = {
  i1: "bool",
  i8: "signed",
  i32: "signed",
  i64: "signed",
  ui8: "unsigned",
  ui32: "unsigned",
  ui64: "unsigned",
  bf16: "float",
  f16: "float",
  f32: "float",
  f64: "float",
  c64: "complex",
} as const satisfies Record<DType, string>;

export const isFloat = (dtype: DType): boolean => CLASS[dtype] === "float";
/** Whether elements are complex numbers. */
export const isComplex = (dtype: DType): boolean => CLASS[dtype] === "complex";
export const classOf = (dtype: DType): (typeof CLASS)[DType] => CLASS[dtype];

/** An element type as MLIR writes it. */
export const elementText = (dtype: DType): string => (dtype === "c64" ? "complex<f32>" : dtype);

/** `tensor<2x3xf32>`. */
export function typeText({ dtype, shape }: TensorType): string {
  return `tensor<${[...shape, elementText(dtype)].join("x")}>`;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** A program that StableHLO does not allow: wrong shapes, types or attributes. The message names the operation. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

/** Throws a `ShapeError` that names the operation, unless `holds`. */
export function demand(holds: boolean, op: string, message: () => string): asserts holds {
  if (!holds) throw new ShapeError(`${op}: ${message()}`);
}
