import * as tf from "@tensorflow/tfjs-core";
import {
  binary,
  broadcastInDim,
  iota,
  isFloat,
  literal,
  lowest,
  pad,
  reduceWindow,
  reshape,
  scatterToMaxima,
  select,
  sizeOf,
  splat,
  compare,
  type Value,
  type Window,
} from "../stablehlo";
import { axes2D, axes3D, extent, type Axis } from "./geometry";
import { like, toFloat, withScalar, type Attributes, type Kernel } from "./kernel";
import { taps } from "./taps";

type Axes = (shape: readonly number[], attrs: Attributes) => Axis[];

const pool2D: Axes = (shape, a) =>
  axes2D(
    tf.backend_util.computePool2DInfo(
      [...shape] as [number, number, number, number],
      a.filterSize as number,
      a.strides as number,
      1,
      a.pad as number,
      a.dimRoundingMode as "floor",
    ),
  );

const pool3D: Axes = (shape, a) =>
  axes3D(
    tf.backend_util.computePool3DInfo(
      [...shape] as [number, number, number, number, number],
      a.filterSize as number,
      a.strides as number,
      1,
      a.pad as number,
      a.dimRoundingMode as "floor",
      a.dataFormat as "NDHWC",
    ),
  );

/** Windows over the spatial axes of a batch with its channels last. */
const windowOf = (axes: readonly Axis[]): Window => ({
  size: [1, ...axes.map(({ kernel }) => kernel), 1],
  strides: [1, ...axes.map(({ stride }) => stride), 1],
  padding: [[0, 0], ...axes.map(({ padding }) => padding), [0, 0]],
});

const add = (a: Value, b: Value): Value => binary("add", a, b);

/** As in tfjs, windows of one element that give as many as there are change nothing, however they are padded. */
const isIdle = (axes: readonly Axis[]): boolean =>
  axes.every(({ kernel, input, output }) => kernel === 1 && input === output);

const maxPool =
  (along: Axes): Kernel =>
  ({ x }, attrs) => {
    const axes = along(x.type.shape, attrs);
    const start = splat(lowest(x.type.dtype), x.type.dtype);
    return isIdle(axes) ? x : reduceWindow(x, start, windowOf(axes), (a, b) => binary("maximum", a, b));
  };

/** How many elements of a window lie in the input, by window. */
function counts({ input, kernel, output, stride, padding: [low] }: Axis): number[] {
  return Array.from({ length: output }, (_, i) => {
    const start = i * stride - low;
    return Math.max(1, Math.min(start + kernel, input) - Math.max(start, 0)); // the mean of nothing is 0
  });
}

/** The mean of the elements in each window; padding does not count. */
const avgPool =
  (along: Axes): Kernel =>
  ({ x: given }, attrs) => {
    const x = toFloat(given);
    const axes = along(x.type.shape, attrs);
    if (isIdle(axes)) return x;
    const total = reduceWindow(x, splat(0, "f32"), windowOf(axes), add);
    return axes.reduce((sum, axis, i) => {
      const number = literal(counts(axis), "f32", [axis.output]);
      return binary("divide", sum, broadcastInDim(number, sum.type.shape, [i + 1]));
    }, total);
  };

const maxPoolGrad =
  (along: Axes): Kernel =>
  ({ dy, input }, attrs) =>
    scatterToMaxima(toFloat(input), toFloat(dy), windowOf(along(input.type.shape, attrs)));

/** Each element of `dy`, divided by the window's size, for all elements of its window. */
const avgPoolGrad =
  (along: Axes): Kernel =>
  ({ dy, input }, attrs) => {
    const axes = along(input.type.shape, attrs);
    const low = axes.map(({ kernel, padding }) => kernel - 1 - padding[0]);
    const high = axes.map(
      ({ input: n, kernel, output, stride }, i) => n + kernel - 1 - extent(output, stride) - low[i],
    );
    const zero = splat(0, "f32");
    const interior = axes.map(({ stride }) => stride - 1);
    const apart = pad(toFloat(dy), zero, [0, ...low, 0], [0, ...high, 0], [0, ...interior, 0]);
    const size = [1, ...axes.map(({ kernel }) => kernel), 1];
    const total = reduceWindow(apart, zero, { size, padding: size.map(() => [0, 0]) }, add);
    return withScalar("multiply", total, 1 / sizeOf(size));
  };

/** The greatest element of each window and its index in the flattened image, or in the flattened batch. */
const maxPoolWithArgmax: Kernel = ({ x }, attrs) => {
  const axes = pool2D(x.type.shape, attrs);
  const [, ...image] = x.type.shape;
  const indices = attrs.includeBatchInIndex
    ? reshape(iota("i32", [sizeOf(x.type.shape)], 0), x.type.shape)
    : broadcastInDim(reshape(iota("i32", [sizeOf(image)], 0), image), x.type.shape, [1, 2, 3]);
  const numbers = isFloat(x.type.dtype) ? select(compare("NE", x, x), like(x, lowest(x.type.dtype)), x) : x; // NaN is not picked
  const values = taps(numbers, splat(lowest(x.type.dtype), x.type.dtype), axes);
  const positions = taps(indices, splat(0, "i32"), axes);
  let [best, where] = [values[0].value, positions[0].value];
  for (let i = 1; i < values.length; i++) {
    const better = compare("GT", values[i].value, best);
    best = select(better, values[i].value, best);
    where = select(better, positions[i].value, where);
  }
  return [best, where];
};

/** Pooling and its gradients. */
export const POOLING = {
  MaxPool: maxPool(pool2D),
  MaxPoolGrad: maxPoolGrad(pool2D),
  AvgPool: avgPool(pool2D),
  AvgPoolGrad: avgPoolGrad(pool2D),
  MaxPool3D: maxPool(pool3D),
  MaxPool3DGrad: maxPoolGrad(pool3D),
  AvgPool3D: avgPool(pool3D),
  AvgPool3DGrad: avgPoolGrad(pool3D),
  MaxPoolWithArgmax: maxPoolWithArgmax,
} as const satisfies Record<string, Kernel>;
