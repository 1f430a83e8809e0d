import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import {
  dynamicSlice as sliceValue,
  dynamicUpdateSlice as updateValue,
  reshape,
  splat,
  type Value,
} from "../stablehlo";
import { recordGradient } from "../trace/tape";

/** Where a slice begins along an axis: a number, or an int32 scalar that only the device knows. */
export type Start = number | tf.Scalar;

/**
 * The part of a tensor that begins where tensors say: as `tf.slice`, with starts that are data, so that one program serves all places. A slice
 * that would reach out of the tensor is moved inside, as in XLA. It has no gradient: asking for one is an error that says so.
 *
 * @param starts one for each axis
 * @param sizes of the slice, one for each axis, at most those of `x`
 * @throws Error if a number of axes, a size or a start's type does not fit
 */
export function dynamicSlice<T extends tf.Tensor>(x: T, starts: readonly Start[], sizes: readonly number[]): T {
  demandFit("dynamicSlice", x.shape, starts, sizes);
  const backend = tf.backend();
  const result =
    backend instanceof XlaBackend
      ? made<T>(backend, sliceValue(backend.valueFor(x), indices(backend, starts), sizes))
      : tf.slice<tf.Rank, T>(x, placesInside(x.shape, starts, sizes), [...sizes]);
  return withoutGradient("dynamicSlice", [x], result);
}

/**
 * A tensor with another one in place of its elements from `starts` on; places as in `dynamicSlice`. Where `x` is donated to the compiled
 * function around it, and nothing reads its old value later, the elements are written in place. It has no gradient.
 *
 * @param update of the same type and number of axes, no larger than `x` along any
 * @throws Error if a number of axes, a size or a type does not fit
 */
export function dynamicUpdateSlice<T extends tf.Tensor>(x: T, update: tf.Tensor, starts: readonly Start[]): T {
  demandFit("dynamicUpdateSlice", x.shape, starts, update.shape);
  if (update.dtype !== x.dtype)
    throw new TypeError(`dynamicUpdateSlice: the update is ${update.dtype}, the tensor ${x.dtype}`);
  const backend = tf.backend();
  const result =
    backend instanceof XlaBackend
      ? made<T>(backend, updateValue(backend.valueFor(x), backend.valueFor(update), indices(backend, starts)))
      : replaced(x, update, placesInside(x.shape, starts, update.shape));
  return withoutGradient("dynamicUpdateSlice", [x, update], result);
}

function demandFit(name: string, shape: readonly number[], starts: readonly Start[], sizes: readonly number[]): void {
  const told = `a slice [${sizes.join(", ")}] at ${starts.length} starts of a tensor [${shape.join(", ")}]`;
  if (starts.length !== shape.length || sizes.length !== shape.length)
    throw new Error(`${name}: ${told}: expected one start and one size for each axis`);
  if (sizes.some((size, axis) => !Number.isInteger(size) || size < 0 || size > shape[axis]))
    throw new RangeError(`${name}: ${told}: it does not fit in`);
  for (const start of starts) {
    if (typeof start === "number" ? Number.isInteger(start) : start.dtype === "int32" && start.size === 1) continue;
    const given = typeof start === "number" ? String(start) : `${start.dtype} [${start.shape.join(", ")}]`;
    throw new TypeError(`${name}: a start is ${given}: expected an integer or an int32 scalar`);
  }
}

const indices = (backend: XlaBackend, starts: readonly Start[]): Value[] =>
  starts.map((start) => (typeof start === "number" ? splat(start, "i32") : reshape(backend.valueFor(start), [])));

const made = <T extends tf.Tensor>(backend: XlaBackend, value: Value): T =>
  tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(value)) as T;

/** The starts as numbers, each moved to where the slice is inside. */
function placesInside(shape: readonly number[], starts: readonly Start[], sizes: readonly number[]): number[] {
  return starts.map((start, axis) => {
    const place = typeof start === "number" ? start : start.dataSync()[0];
    return Math.min(Math.max(0, place), shape[axis] - sizes[axis]);
  });
}

function replaced<T extends tf.Tensor>(x: T, update: tf.Tensor, places: readonly number[]): T {
  return tf.tidy(() => {
    const widths = places.map((at, axis): [number, number] => [at, x.shape[axis] - at - update.shape[axis]]);
    const isReplaced = tf.cast(tf.pad(tf.fill(update.shape, 1), widths), "bool");
    return tf.where(isReplaced, tf.pad(update, widths), x) as T;
  });
}

function withoutGradient<T extends tf.Tensor>(name: string, inputs: tf.Tensor[], result: T): T {
  if (tf.engine().isTapeOn()) {
    recordGradient(name, inputs, [result], [], () => {
      throw new Error(`${name} has no gradient: use tf.slice, tf.gather or tf.concat where one is needed`);
    });
  }
  return result;
}
