import * as tf from "@tensorflow/tfjs-core";
import {
  binary,
  broadcastTo,
  compare,
  convert,
  isComplex,
  isFloat,
  select,
  sizeOf,
  splat,
  type BinaryName,
  type DType,
  type Value,
} from "../stablehlo";
import type { XlaDevice } from "../trace/device";
import { TFJS_TYPE, tensorDType } from "../trace/dtypes";

/** What a kernel may look at of the device that it is for. */
export type KernelDevice = Pick<XlaDevice, "kind" | "hasProducts">;

/**
 * A kernel of tfjs as a program: from the values of its inputs, by tfjs's names of them, to its outputs. What is computed is the same on
 * every kind of device; how may differ.
 */
export type Kernel = (
  inputs: Readonly<Record<string, Value>>,
  attrs: Attributes,
  device: KernelDevice,
) => Value | readonly Value[];
export type Attributes = Readonly<Record<string, unknown>>;

/** A kernel with one input called x. */
export const onX =
  (emit: (x: Value, attrs: Attributes) => Value): Kernel =>
  ({ x }, attrs) =>
    emit(x, attrs);

/** A kernel with inputs a and b, broadcast to one shape. */
export const onPair =
  (emit: (a: Value, b: Value) => Value): Kernel =>
  ({ a, b }) => {
    const shape = broadcastShape(a.type.shape, b.type.shape);
    return emit(broadcastTo(a, shape), broadcastTo(b, shape));
  };

/** The shape that two shapes broadcast to, aligned at the end; tfjs has checked that they do. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return m === 1 ? n : m;
  });
}

/** The axes before the last two of operands that hold matrices, broadcast to one batch, and what broadcasts an operand to it. */
export function matrixBatch(a: Value, b: Value): { batch: number[]; spread: (x: Value) => Value } {
  const batch = broadcastShape(a.type.shape.slice(0, -2), b.type.shape.slice(0, -2));
  return { batch, spread: (x) => broadcastTo(x, [...batch, ...x.type.shape.slice(-2)]) };
}

/** A number of an attribute as a constant; in integers, as in tfjs, without its fraction. */
export function constant(scalar: number, dtype: DType, shape: readonly number[] = []): Value {
  if (dtype !== "i32") return splat(scalar, dtype, shape);
  const whole = Number.isNaN(scalar) ? 0 : Math.trunc(scalar);
  return splat(Math.min(Math.max(whole, -(2 ** 31)), 2 ** 31 - 1), dtype, shape);
}

/** `scalar`, in x's type and shape. */
export const like = (x: Value, scalar: number): Value => broadcastTo(constant(scalar, x.type.dtype), x.type.shape);

export const withScalar = (name: BinaryName, x: Value, scalar: number): Value => binary(name, x, like(x, scalar));

/**
 * The greater or lesser of two, NaN if either is. XLA's own on CPUs loses a NaN in one of its operands, and may change their order; where
 * NaN is known to survive otherwise, `binary` is cheaper.
 */
export function extreme(name: "maximum" | "minimum", a: Value, b: Value): Value {
  if (!isFloat(a.type.dtype)) return binary(name, a, b);
  const first = compare(name === "maximum" ? "GE" : "LE", a, b);
  return select(binary("or", first, compare("NE", a, a)), a, b);
}

/** Floats and complex numbers stay as they are; integers and booleans become f32. */
export const toFloat = (x: Value): Value => (isFloat(x.type.dtype) || isComplex(x.type.dtype) ? x : convert(x, "f32"));

/** Booleans take part in arithmetic as integers. */
export const toNumber = (x: Value): Value => (x.type.dtype === "i1" ? convert(x, "i32") : x);

/**
 * The non-negative axes that a tfjs attribute names; none, null or undefined means all.
 * @throws if one is no axis of a tensor of that rank.
 */
export function axesOf(axis: unknown, rank: number): number[] {
  const axes = (axis ?? Array.from({ length: rank }, (_, i) => i)) as number | number[];
  return tf.util.parseAxisParam(axes, new Array<number>(rank));
}

/** The type on the device of a tfjs type named in an attribute. */
export function attributeType(dtype: unknown, otherwise: DType = "f32"): DType {
  const types: Partial<Record<tf.DataType, DType>> = { float32: "f32", int32: "i32", bool: "i1", complex64: "c64" };
  const known = dtype === undefined || dtype === null ? otherwise : types[dtype as tf.DataType];
  if (!known) throw new Error(`the device has no tensors of type ${String(dtype)}`);
  return known;
}

/** A value where tfjs's functions want a tensor and look at its type alone. */
export function asTensor({ type: { dtype, shape } }: Value): tf.Tensor {
  const info = { dtype: TFJS_TYPE[tensorDType(dtype)], shape: [...shape], rank: shape.length, size: sizeOf(shape) };
  return info as tf.Tensor;
}
