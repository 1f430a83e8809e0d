import type * as tf from "@tensorflow/tfjs-core";

/** Numbers in arrays of arrays, as long in every branch. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** Numbers with a shape, such as a reference computes in float64; without a dtype any dtype will do. */
export interface ShapedValues {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  readonly dtype?: string;
}

/** What can be compared. Tensors, Float32Array, Int32Array and Uint8Array carry a dtype, the others do not. */
export type Comparable =
  tf.Tensor | ShapedValues | NestedNumbers | Float64Array | Float32Array | Int32Array | Uint8Array;

/** How far `actual` may be from `expected`: by `atol + rtol |expected|`. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Equal numbers. */
export const EXACT: Tolerance = { rtol: 0, atol: 0 };

/**
 * Checks that two arrays agree, number by number.
 *
 * @throws Error that names the first difference of shape or dtype, a value that is not finite (on either side, even on
 *   both), or the number of values that are too far off and the worst of them
 */
export function expectClose(actual: Comparable, expected: Comparable, { rtol, atol }: Tolerance): void {
  const [a, e] = [shaped(actual), shaped(expected)];
  if (!sameShape(a.shape, e.shape)) {
    throw new Error(`shape is [${a.shape.join(", ")}]: expected [${e.shape.join(", ")}]`);
  }
  if (a.dtype !== undefined && e.dtype !== undefined && a.dtype !== e.dtype) {
    throw new Error(`dtype is ${a.dtype}: expected ${e.dtype}`);
  }
  let misses = 0;
  let worst = { excess: 0, message: "" };
  for (let i = 0; i < e.values.length; i++) {
    const [got, wanted] = [a.values[i], e.values[i]];
    const at = `at [${position(i, e.shape).join(", ")}]`;
    if (!Number.isFinite(got)) throw new Error(`${got} ${at}: expected ${wanted}`);
    if (!Number.isFinite(wanted)) throw new Error(`the expected value ${at} is ${wanted}: only finite values compare`);
    const [error, allowed] = [Math.abs(got - wanted), atol + rtol * Math.abs(wanted)];
    if (error <= allowed) continue;
    misses++;
    if (error - allowed > worst.excess) {
      const message = `${got} ${at}, expected ${wanted}, off by ${error}, allowed ${allowed}`;
      worst = { excess: error - allowed, message };
    }
  }
  if (misses > 0) throw new Error(`${misses} of ${e.values.length} values differ; worst: ${worst.message}`);
}

function shaped(value: Comparable): ShapedValues {
  if (value instanceof Float64Array) return { shape: [value.length], values: value };
  if (value instanceof Float32Array) return { shape: [value.length], values: value, dtype: "float32" };
  if (value instanceof Int32Array) return { shape: [value.length], values: value, dtype: "int32" };
  if (value instanceof Uint8Array) return { shape: [value.length], values: value, dtype: "bool" };
  if (typeof value === "number" || isNested(value)) return nested(value);
  if ("values" in value) {
    const size = value.shape.reduce((product, length) => product * length, 1);
    if (value.values.length !== size) {
      throw new Error(`${value.values.length} values do not fill the shape [${value.shape.join(", ")}]`);
    }
    return value;
  }
  return { shape: value.shape, values: value.dataSync<"float32">(), dtype: value.dtype };
}

function isNested(value: Comparable): value is readonly NestedNumbers[] {
  return Array.isArray(value);
}

function nested(value: NestedNumbers): ShapedValues {
  const shape: number[] = [];
  for (let inner = value; typeof inner !== "number"; inner = inner[0]) {
    shape.push(inner.length);
    if (inner.length === 0) break;
  }
  const values: number[] = [];
  const walk = (part: NestedNumbers, depth: number): void => {
    if (typeof part === "number" && depth === shape.length) values.push(part);
    else if (typeof part !== "number" && part.length === shape[depth]) part.forEach((p) => walk(p, depth + 1));
    else throw new Error(`nested numbers are ragged: expected the shape [${shape.join(", ")}]`);
  };
  walk(value, 0);
  return { shape, values };
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** The indices, axis by axis, of a flat index. */
function position(index: number, shape: readonly number[]): number[] {
  const indices: number[] = [];
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    indices.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return indices;
}
