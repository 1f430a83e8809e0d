import { classOf, demand, sizeOf, typeText, type DType, type TensorType } from "./types";
import { makeValue, type Value } from "./value";

const integer = (dtype: DType): boolean => classOf(dtype) === "signed" || classOf(dtype) === "unsigned";

/** A scalar as MLIR reads it back exactly. */
function scalarText(value: number | bigint, dtype: DType): string {
  if (dtype === "i1") return value ? "true" : "false";
  if (integer(dtype)) {
    const whole = typeof value === "bigint" || Number.isInteger(value);
    demand(whole, "constant", () => `${value} is not an integer, and ${dtype} holds integers only`);
    return String(value);
  }
  if (dtype === "c64") return `(${scalarText(value, "f32")}, ${scalarText(0, "f32")})`;
  const x = Number(value);
  const sign = Object.is(x, -0) ? "-" : ""; // toExponential drops it
  if (Number.isFinite(x)) return `${sign}${x.toExponential(dtype === "f64" ? 17 : 9)}`;
  return nonFiniteBits(x, dtype);
}

/** MLIR writes infinities and NaN as the bits of the type. */
function nonFiniteBits(x: number, dtype: DType): string {
  const sign = x < 0;
  const [inf, nan] = {
    f32: ["7F800000", "7FC00000"],
    f64: ["7FF0000000000000", "7FF8000000000000"],
    bf16: ["7F80", "7FC0"],
    f16: ["7C00", "7E00"],
  }[dtype as "f32" | "f64" | "bf16" | "f16"] as [string, string];
  const bits = Number.isNaN(x) ? nan : inf;
  return `0x${sign ? `F${bits.slice(1)}` : bits}`;
}

/** A tensor whose elements all equal `value`; complex ones have no imaginary part. */
export function splat(value: number | bigint, dtype: DType, shape: readonly number[] = []): Value {
  const type: TensorType = { dtype, shape };
  return makeValue("constant", [], type, `value = dense<${scalarText(value, dtype)}> : ${typeText(type)}`);
}

/** A tensor of the given elements in row-major order. For small tables: large data belongs into arguments. */
export function literal(values: ArrayLike<number>, dtype: DType, shape: readonly number[]): Value {
  demand(
    values.length === sizeOf(shape),
    "constant",
    () => `${values.length} values for the shape [${shape.join(", ")}]`,
  );
  if (values.length === 1) return splat(values[0], dtype, shape);
  const type: TensorType = { dtype, shape };
  const nest = (axis: number, offset: number, stride: number): string => {
    if (axis === shape.length) return scalarText(values[offset], dtype);
    const inner = stride / shape[axis];
    return `[${Array.from({ length: shape[axis] }, (_, i) => nest(axis + 1, offset + i * inner, inner)).join(", ")}]`;
  };
  const text = values.length === 0 ? "" : nest(0, 0, values.length);
  return makeValue("constant", [], type, `value = dense<${text}> : ${typeText(type)}`);
}
