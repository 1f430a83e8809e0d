/** Operations that move elements: reshape, broadcast, slice, pad, gather, scatter. Source: the StableHLO specification. */
import { demand, sameShape, sizeOf, typeText, type DType } from "./types";
import { makeOp, makeValue, region, type Region, type Value } from "./value";

export const i64Array = (values: readonly number[]): string =>
  values.length ? `array<i64: ${values.join(", ")}>` : "array<i64>";
export const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

/** The same elements in row-major order under another shape. */
export function reshape(x: Value, shape: readonly number[]): Value {
  if (sameShape(x.type.shape, shape)) return x;
  demand(
    sizeOf(shape) === sizeOf(x.type.shape),
    "reshape",
    () => `${typeText(x.type)} has no shape [${shape.join(", ")}]`,
  );
  return makeValue("reshape", [x], { dtype: x.type.dtype, shape });
}

/** Result axis i is operand axis `permutation[i]`. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  const axes = [...permutation].sort((a, b) => a - b);
  demand(
    axes.length === x.type.shape.length && axes.every((axis, i) => axis === i),
    "transpose",
    () => `[${permutation.join(", ")}] is no permutation of the axes of ${typeText(x.type)}`,
  );
  if (permutation.every((axis, i) => axis === i)) return x;
  return makeValue(
    "transpose",
    [x],
    { dtype: x.type.dtype, shape: permutation.map((axis) => x.type.shape[axis]) },
    `permutation = ${i64Array(permutation)}`,
  );
}

/** Operand axis i becomes result axis `dimensions[i]`; axes of length 1 and new axes are repeated. */
export function broadcastInDim(x: Value, shape: readonly number[], dimensions: readonly number[]): Value {
  const fits =
    dimensions.length === x.type.shape.length &&
    dimensions.every((axis, i) => x.type.shape[i] === 1 || x.type.shape[i] === shape[axis]);
  demand(
    fits,
    "broadcast_in_dim",
    () => `${typeText(x.type)} along axes [${dimensions.join(", ")}] does not fit [${shape.join(", ")}]`,
  );
  if (sameShape(x.type.shape, shape) && dimensions.every((axis, i) => axis === i)) return x;
  return makeValue(
    "broadcast_in_dim",
    [x],
    { dtype: x.type.dtype, shape },
    `broadcast_dimensions = ${i64Array(dimensions)}`,
  );
}

/** NumPy's broadcasting: axes are aligned at the end. */
export function broadcastTo(x: Value, shape: readonly number[]): Value {
  const lead = shape.length - x.type.shape.length;
  demand(lead >= 0, "broadcast_in_dim", () => `${typeText(x.type)} has more axes than [${shape.join(", ")}]`);
  return broadcastInDim(
    x,
    shape,
    x.type.shape.map((_, i) => i + lead),
  );
}

/** Elements `start` (inclusive) to `limit` (exclusive) along each axis, every `stride`-th. */
export function slice(
  x: Value,
  start: readonly number[],
  limit: readonly number[],
  strides: readonly number[] = start.map(() => 1),
): Value {
  const { shape, dtype } = x.type;
  const valid =
    start.length === shape.length &&
    limit.length === shape.length &&
    shape.every((n, i) => 0 <= start[i] && start[i] <= limit[i] && limit[i] <= n && strides[i] > 0);
  demand(valid, "slice", () => `[${start.join(", ")}] to [${limit.join(", ")}] is not inside ${typeText(x.type)}`);
  const result = shape.map((_, i) => Math.ceil((limit[i] - start[i]) / strides[i]));
  if (sameShape(result, shape)) return x;
  return makeValue(
    "slice",
    [x],
    { dtype, shape: result },
    `start_indices = ${i64Array(start)}, limit_indices = ${i64Array(limit)}, strides = ${i64Array(strides)}`,
  );
}

/** The operands one after the other along an axis. */
export function concatenate(values: readonly Value[], axis: number): Value {
  const [first] = values;
  demand(
    first !== undefined && axis >= 0 && axis < first.type.shape.length,
    "concatenate",
    () => `there is no axis ${axis}`,
  );
  if (values.length === 1) return first;
  const fits = values.every(
    (v) =>
      v.type.dtype === first.type.dtype &&
      v.type.shape.length === first.type.shape.length &&
      v.type.shape.every((n, i) => i === axis || n === first.type.shape[i]),
  );
  demand(
    fits,
    "concatenate",
    () => `${values.map((v) => typeText(v.type)).join(" and ")} do not fit along axis ${axis}`,
  );
  const shape = first.type.shape.map((n, i) =>
    i === axis ? values.reduce((sum, v) => sum + v.type.shape[axis], 0) : n,
  );
  return makeValue("concatenate", values, { dtype: first.type.dtype, shape }, `dimension = ${axis} : i64`);
}

/** `fill` (a scalar) around, and with `interior` between, the elements; negative padding cuts off. */
export function pad(
  x: Value,
  fill: Value,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[] = low.map(() => 0),
): Value {
  demand(
    fill.type.shape.length === 0 && fill.type.dtype === x.type.dtype,
    "pad",
    () => `the padding value ${typeText(fill.type)} is no ${x.type.dtype} scalar`,
  );
  const shape = x.type.shape.map((n, i) => low[i] + high[i] + n + Math.max(n - 1, 0) * interior[i]);
  demand(
    shape.every((n) => n >= 0),
    "pad",
    () => `the result's shape would be [${shape.join(", ")}]`,
  );
  return makeValue(
    "pad",
    [x, fill],
    { dtype: x.type.dtype, shape },
    `edge_padding_low = ${i64Array(low)}, edge_padding_high = ${i64Array(high)}, interior_padding = ${i64Array(interior)}`,
  );
}

/** 0, 1, 2 ... along an axis. */
export function iota(dtype: DType, shape: readonly number[], axis: number): Value {
  demand(axis >= 0 && axis < shape.length, "iota", () => `[${shape.join(", ")}] has no axis ${axis}`);
  return makeValue("iota", [], { dtype, shape }, `iota_dimension = ${axis} : i64`);
}

/** The elements in reverse order along the given axes. */
export function reverse(x: Value, axes: readonly number[]): Value {
  return axes.length === 0 ? x : makeValue("reverse", [x], x.type, `dimensions = ${i64Array(axes)}`);
}

export interface GatherDimensions {
  readonly offsetDims: readonly number[];
  readonly collapsedSliceDims: readonly number[];
  readonly operandBatchingDims?: readonly number[];
  readonly startIndicesBatchingDims?: readonly number[];
  readonly startIndexMap: readonly number[];
  readonly indexVectorDim: number;
}

/** Slices of `x` at the places that `indices` names; indices outside are clamped. */
export function gather(x: Value, indices: Value, dims: GatherDimensions, sliceSizes: readonly number[]): Value {
  demand(
    sliceSizes.length === x.type.shape.length,
    "gather",
    () => `slice sizes [${sliceSizes.join(", ")}] for ${typeText(x.type)}`,
  );
  const gone = new Set([...dims.collapsedSliceDims, ...(dims.operandBatchingDims ?? [])]);
  const window = sliceSizes.filter((_, axis) => !gone.has(axis));
  const batch = indices.type.shape.filter((_, axis) => axis !== dims.indexVectorDim);
  const shape: number[] = [];
  let w = 0;
  let b = 0;
  for (let axis = 0; axis < window.length + batch.length; axis++) {
    shape.push(dims.offsetDims.includes(axis) ? window[w++] : batch[b++]);
  }
  const numbers = `offset_dims = ${list(dims.offsetDims)}, collapsed_slice_dims = ${list(dims.collapsedSliceDims)}, operand_batching_dims = ${list(dims.operandBatchingDims ?? [])}, start_indices_batching_dims = ${list(dims.startIndicesBatchingDims ?? [])}, start_index_map = ${list(dims.startIndexMap)}, index_vector_dim = ${dims.indexVectorDim}`;
  return makeValue(
    "gather",
    [x, indices],
    { dtype: x.type.dtype, shape },
    `dimension_numbers = #stablehlo.gather<${numbers}>, slice_sizes = ${i64Array(sliceSizes)}, indices_are_sorted = false`,
  );
}

export interface ScatterDimensions {
  readonly updateWindowDims: readonly number[];
  readonly insertedWindowDims: readonly number[];
  readonly scatterDimsToOperandDims: readonly number[];
  readonly indexVectorDim: number;
}

/** `x` with `updates` combined into the places that `indices` names; indices outside are dropped. */
export function scatter(
  x: Value,
  indices: Value,
  updates: Value,
  dims: ScatterDimensions,
  combine: (old: Value, update: Value) => Value,
): Value {
  const scalar = { dtype: x.type.dtype, shape: [] };
  const body = region([scalar, scalar], ([old, update]) => [combine(old, update)]);
  const numbers = `update_window_dims = ${list(dims.updateWindowDims)}, inserted_window_dims = ${list(dims.insertedWindowDims)}, scatter_dims_to_operand_dims = ${list(dims.scatterDimsToOperandDims)}, index_vector_dim = ${dims.indexVectorDim}`;
  return makeValue(
    "scatter",
    [x, indices, updates],
    x.type,
    `scatter_dimension_numbers = #stablehlo.scatter<${numbers}>, indices_are_sorted = false, unique_indices = false`,
    [body],
  );
}

/** The operands sorted together along an axis; `before` says whether its first pair of elements comes first. */
export function sort(
  values: readonly Value[],
  axis: number,
  before: (pairs: readonly Value[]) => Value,
): readonly Value[] {
  const scalars = values.flatMap((v) => [
    { dtype: v.type.dtype, shape: [] },
    { dtype: v.type.dtype, shape: [] },
  ]);
  const comparator: Region = region(scalars, (parameters) => [before(parameters)]);
  return makeOp(
    "sort",
    values,
    values.map((v) => v.type),
    `dimension = ${axis} : i64, is_stable = true`,
    [comparator],
  );
}
