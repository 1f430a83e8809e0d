import type * as tf from "@tensorflow/tfjs-core";
import type { DType, TensorType } from "../stablehlo";

/** tfjs's types that the device holds, and what they are there. Strings stay on the host. */
export const DEVICE_TYPE = { float32: "f32", int32: "i32", bool: "i1", complex64: "c64" } as const satisfies Partial<
  Record<tf.DataType, DType>
>;

/** The device's types that are tensors of tfjs. */
export const TFJS_TYPE = { f32: "float32", i32: "int32", i1: "bool", c64: "complex64" } as const satisfies Partial<
  Record<DType, tf.DataType>
>;

/** PJRT's names of them. */
export const ELEMENT_TYPE = { f32: "f32", i32: "s32", i1: "pred", c64: "c64" } as const satisfies Record<
  keyof typeof TFJS_TYPE,
  string
>;

export type TensorDType = keyof typeof TFJS_TYPE;

/** The device's type for one of tfjs, if there is one. */
export function deviceType(dtype: tf.DataType): TensorDType | undefined {
  return dtype in DEVICE_TYPE ? DEVICE_TYPE[dtype as keyof typeof DEVICE_TYPE] : undefined;
}

/** Narrows a type of StableHLO to those that tfjs has tensors of. */
export function tensorDType(dtype: DType): TensorDType {
  if (!(dtype in TFJS_TYPE)) throw new Error(`tfjs has no tensors of ${dtype}`);
  return dtype as TensorDType;
}

/** A tensor's type in a program. Throws if the device has none for it. */
export function tensorType({ dtype, shape }: tf.TensorInfo): TensorType {
  const type = deviceType(dtype);
  if (!type) throw new TypeError(`a ${dtype} tensor cannot be passed to a compiled function`);
  return { dtype: type, shape };
}
