import type * as tf from "@tensorflow/tfjs-core";
import { literal, splat, type Value } from "../stablehlo";
import type { TensorDType } from "./dtypes";
import type { HostArray } from "./graph";

/** Constants up to this many elements are written into a traced program; larger data becomes a parameter. */
const INLINE_ELEMENTS = 64;

/** A constant to write into a traced program, or nothing if the data is too large for that. */
export function asConstant(data: HostArray, dtype: TensorDType, shape: readonly number[]): Value | undefined {
  if (data.length > 0 && data.every((x) => Object.is(x, data[0]))) return splat(data[0], dtype, shape);
  return data.length <= INLINE_ELEMENTS ? literal(data, dtype, shape) : undefined;
}

/** What holds a type's elements on the host; complex numbers are pairs. */
const HOST_ARRAY = { f32: Float32Array, i32: Int32Array, i1: Uint8Array, c64: Float32Array } as const;

/** The data as the device's element type. */
export function hostArray(values: tf.BackendValues, type: TensorDType, length: number): HostArray {
  if (values === null || values === undefined) return new HOST_ARRAY[type](type === "c64" ? 2 * length : length);
  if (type === "f32" || type === "c64")
    return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
  if (type === "i32") return values instanceof Int32Array ? values : Int32Array.from(values as ArrayLike<number>);
  return values instanceof Uint8Array ? values : Uint8Array.from(values as ArrayLike<number>);
}
