import * as tf from "@tensorflow/tfjs-core";
import {
  broadcastInDim,
  broadcastTo,
  compare,
  concatenate,
  iota,
  pad,
  reshape,
  reverse,
  select,
  slice,
  sizeOf,
  splat,
  transpose,
  type Value,
} from "../stablehlo";
import {
  asTensor,
  attributeType,
  axesOf,
  constant,
  like,
  onX,
  withScalar,
  type Attributes,
  type Kernel,
} from "./kernel";

const values = (inputs: Readonly<Record<string, Value>>): Value[] => Object.values(inputs);

/** `n` repetitions along each axis: a broadcast in between, and a reshape. */
function tile(x: Value, repetitions: readonly number[]): Value {
  const { shape } = x.type;
  if (shape.every((n, i) => n === 1 || repetitions[i] === 1))
    return broadcastTo(
      x,
      shape.map((n, i) => n * repetitions[i]),
    );
  const wide = shape.flatMap((n, i) => [repetitions[i], n]);
  return reshape(
    broadcastInDim(
      x,
      wide,
      shape.map((_, i) => 2 * i + 1),
    ),
    shape.map((n, i) => n * repetitions[i]),
  );
}

function split(x: Value, sizes: readonly number[], axis: number): Value[] {
  let start = 0;
  return sizes.map((size) => {
    const from = x.type.shape.map((_, i) => (i === axis ? start : 0));
    start += size;
    return slice(
      x,
      from,
      x.type.shape.map((n, i) => (i === axis ? start : n)),
    );
  });
}

function stridedSlice(x: Value, a: Attributes): Value {
  const info = tf.slice_util.sliceInfo(
    [...x.type.shape],
    a.begin as number[],
    a.end as number[],
    a.strides as number[],
    a.beginMask as number,
    a.endMask as number,
    a.ellipsisMask as number,
    a.newAxisMask as number,
    a.shrinkAxisMask as number,
  );
  if (info.finalShape.some((n) => n === 0)) return splat(0, x.type.dtype, info.finalShape);
  const backwards = info.strides.flatMap((stride, i) => (stride < 0 ? [i] : []));
  const turn = (at: number, axis: number) => (info.strides[axis] < 0 ? x.type.shape[axis] - 1 - at : at);
  const start = info.begin.map(turn);
  const limit = info.end.map((end, axis) => Math.min(turn(end, axis), x.type.shape[axis]));
  return reshape(slice(reverse(x, backwards), start, limit, info.strides.map(Math.abs)), info.finalShape);
}

/** `count` numbers from `start`, `step` apart. */
function ramp(start: number, step: number, count: number, dtype: unknown): Value {
  const type = attributeType(dtype);
  if (count === 0) return splat(0, type, [0]);
  return withScalar("add", withScalar("multiply", iota(type, [count], 0), step), start);
}

/** Kernels that move, repeat, pick or make elements. */
export const SHAPE = {
  Reshape: onX((x, { shape }) => reshape(x, tf.util.inferFromImplicitShape(shape as number[], sizeOf(x.type.shape)))),
  ExpandDims: ({ input }, { dim }) => {
    const shape = [...input.type.shape];
    const at = dim as number;
    tf.util.assert(at >= -shape.length - 1, () => `axis ${at} is before the first of ${shape.length + 1}`);
    shape.splice(at < 0 ? shape.length + 1 + at : at, 0, 1);
    return reshape(input, shape);
  },
  Transpose: onX((x, { perm }) =>
    transpose(x, (perm as number[] | undefined) ?? x.type.shape.map((_, i) => x.type.shape.length - 1 - i)),
  ),
  BroadcastTo: onX((x, { shape }) => broadcastTo(x, shape as number[])),
  Tile: onX((x, { reps }) => tile(x, reps as number[])),
  Reverse: onX((x, { dims }) => reverse(x, axesOf(dims, x.type.shape.length))),
  Slice: onX((x, { begin, size }) => {
    const [from, sizes] = tf.slice_util.parseSliceParams(asTensor(x), begin as number[], size as number[]);
    return slice(
      x,
      from,
      from.map((at, i) => at + sizes[i]),
    );
  }),
  StridedSlice: onX(stridedSlice),
  PadV2: onX((x, { paddings, constantValue }) => {
    const widths = paddings as [number, number][];
    return pad(
      x,
      constant((constantValue as number | undefined) ?? 0, x.type.dtype),
      widths.map(([low]) => low),
      widths.map(([, high]) => high),
    );
  }),
  Concat: (inputs, { axis }) => {
    const parts = values(inputs);
    const along = axesOf(axis ?? 0, parts[0].type.shape.length)[0];
    tf.backend_util.assertParamsConsistent(
      parts.map(({ type }) => [...type.shape]),
      along,
    );
    const filled = parts.filter((part) => part.type.shape[along] > 0);
    return filled.length > 0 ? concatenate(filled, along) : parts[0];
  },
  Pack: (inputs, { axis }) => {
    const parts = values(inputs);
    const along = axesOf(axis, parts[0].type.shape.length + 1)[0];
    return concatenate(
      parts.map((part) => reshape(part, part.type.shape.toSpliced(along, 0, 1))),
      along,
    );
  },
  Unpack: ({ value }, { axis }) => {
    const along = axesOf(axis ?? 0, value.type.shape.length)[0];
    const ones = Array.from({ length: value.type.shape[along] }, () => 1);
    return split(value, ones, along).map((part) => reshape(part, part.type.shape.toSpliced(along, 1)));
  },
  SplitV: ({ x }, { numOrSizeSplits, axis }) => {
    const along = axesOf(axis, x.type.shape.length)[0];
    return split(x, tf.backend_util.prepareSplitSize(asTensor(x), numOrSizeSplits as number[], along), along);
  },
  Fill: (_, { shape, value, dtype }) => constant(Number(value), attributeType(dtype), shape as number[]),
  Range: (_, { start, stop, step, dtype }) => {
    const [from, to, by] = [start as number, stop as number, (step as number | undefined) ?? 1];
    const signed = by === 1 && to < from ? -1 : by;
    return ramp(from, signed, Math.max(0, Math.ceil((to - from) / signed)), dtype);
  },
  LinSpace: (_, { start, stop, num }) => {
    const [from, to, count] = [start as number, stop as number, num as number];
    return ramp(from, count > 1 ? (to - from) / (count - 1) : 0, count, "float32");
  },
  Diag: onX((x) => {
    const n = sizeOf(x.type.shape);
    const square = broadcastInDim(reshape(x, [n]), [n, n], [0]);
    const onDiagonal = compare("EQ", iota("i32", [n, n], 0), iota("i32", [n, n], 1));
    return reshape(select(onDiagonal, square, like(square, 0)), [...x.type.shape, ...x.type.shape]);
  }),
} as const satisfies Record<string, Kernel>;
