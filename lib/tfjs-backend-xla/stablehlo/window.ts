/** Operations over sliding windows: convolutions and pooling. Source: the StableHLO specification. */
import { binary, compare } from "./elementwise";
import { splat } from "./literal";
import { i64Array } from "./shape";
import { demand, sameShape, typeText, type DType } from "./types";
import { makeValue, region, type Value } from "./value";

/** A padding's widths before and after the elements along each axis. */
export type Padding = readonly (readonly [number, number])[];

export interface ConvolutionOptions {
  /**
   * What each axis is, such as `b01f 01io b01f` for the input, the kernel and the result: b batch, f features, i and o features that
   * the kernel takes and gives, and the numbers of spatial axes.
   */
  readonly axes: string;
  /** By spatial axis, as are the next three. Negative padding cuts off. */
  readonly padding: Padding;
  readonly strides?: readonly number[];
  /** Distances between elements of the input, and of the kernel; 1 leaves no gap. */
  readonly inputDilation?: readonly number[];
  readonly kernelDilation?: readonly number[];
  /** Whether the kernel is turned around in all spatial axes. */
  readonly reversed?: boolean;
  /** Features are split into so many groups, each with kernels of its own. */
  readonly featureGroups?: number;
  /** The batch is split into so many groups, each with kernels of its own. */
  readonly batchGroups?: number;
  /** The type of the result and of the sums; the input's by default. */
  readonly dtype?: DType;
  /** How much of floats the device must take into account. */
  readonly precision?: "DEFAULT" | "HIGHEST";
}

/** Sums of products of the kernel with windows of the input. */
export function convolution(x: Value, kernel: Value, options: ConvolutionOptions): Value {
  const { padding, reversed = false, featureGroups = 1, batchGroups = 1, precision = "DEFAULT" } = options;
  const ones = padding.map(() => 1);
  const { strides = ones, inputDilation = ones, kernelDilation = ones } = options;
  const [input, weights, output] = options.axes.split(" ");
  const { dtype, shape } = x.type;
  const fits =
    dtype === kernel.type.dtype &&
    [input, weights, output].every((axes) => axes.length === padding.length + 2) &&
    shape.length === padding.length + 2 &&
    kernel.type.shape.length === padding.length + 2 &&
    shape[input.indexOf("f")] === featureGroups * kernel.type.shape[weights.indexOf("i")];
  demand(
    fits,
    "convolution",
    () => `${typeText(x.type)} and ${typeText(kernel.type)} do not fit as ${options.axes} in ${featureGroups} groups`,
  );
  const length = (axis: number): number => {
    const reach = extent(kernel.type.shape[weights.indexOf(String(axis))], kernelDilation[axis]);
    const room = extent(shape[input.indexOf(String(axis))], inputDilation[axis]) + padding[axis][0] + padding[axis][1];
    return places(room, reach, strides[axis]);
  };
  const lengths: Record<string, number> = {
    b: shape[input.indexOf("b")] / batchGroups,
    f: kernel.type.shape[weights.indexOf("o")],
  };
  const result = [...output].map((axis) => lengths[axis] ?? length(Number(axis)));
  const text = (axes: string) => `[${[...axes].join(", ")}]`;
  const attributes = [
    `window_strides = ${i64Array(strides)}`,
    `padding = ${paddingText(padding)}`,
    `lhs_dilation = ${i64Array(inputDilation)}`,
    `rhs_dilation = ${i64Array(kernelDilation)}`,
    `window_reversal = array<i1: ${padding.map(() => reversed).join(", ")}>`,
    `dimension_numbers = #stablehlo.conv<${text(input)}x${text(weights)}->${text(output)}>`,
    `feature_group_count = ${featureGroups} : i64`,
    `batch_group_count = ${batchGroups} : i64`,
    `precision_config = [#stablehlo<precision ${precision}>, #stablehlo<precision ${precision}>]`,
  ];
  const type = { dtype: options.dtype ?? dtype, shape: result };
  return makeValue("convolution", [x, kernel], type, attributes.join(", "));
}

export interface Window {
  /** By axis, as is all the rest. */
  readonly size: readonly number[];
  readonly padding: Padding;
  readonly strides?: readonly number[];
  /** Distances between elements that a window takes; 1 leaves no gap. */
  readonly dilation?: readonly number[];
}

/** Combines the elements of each window; padding counts as `initial`. */
export function reduceWindow(x: Value, initial: Value, window: Window, combine: (a: Value, b: Value) => Value): Value {
  const { size, padding } = window;
  const ones = size.map(() => 1);
  const { strides = ones, dilation = ones } = window;
  const scalar = { dtype: x.type.dtype, shape: [] };
  const body = region([scalar, scalar], ([a, b]) => [combine(a, b)]);
  const shape = x.type.shape.map((n, i) =>
    places(n + padding[i][0] + padding[i][1], extent(size[i], dilation[i]), strides[i]),
  );
  const attributes = [
    `window_dimensions = ${i64Array(size)}`,
    `window_strides = ${i64Array(strides)}`,
    `base_dilations = ${i64Array(ones)}`,
    `window_dilations = ${i64Array(dilation)}`,
    `padding = ${paddingText(padding)}`,
  ];
  return makeValue("reduce_window", [x, initial], { dtype: x.type.dtype, shape }, attributes.join(", "), [body]);
}

/** Adds each element of `source` to a tensor of zeros, at the first greatest element of that window of x: the gradient of maxima. */
export function scatterToMaxima(x: Value, source: Value, window: Omit<Window, "dilation">): Value {
  const { size, padding, strides = size.map(() => 1) } = window;
  const { dtype, shape } = x.type;
  const windows = shape.map((n, i) => places(n + padding[i][0] + padding[i][1], size[i], strides[i]));
  demand(
    sameShape(windows, source.type.shape),
    "select_and_scatter",
    () => `there are [${windows.join(", ")}] windows, and the source is ${typeText(source.type)}`,
  );
  const scalars = [
    { dtype, shape: [] },
    { dtype, shape: [] },
  ];
  const attributes = `window_dimensions = ${i64Array(size)}, window_strides = ${i64Array(strides)}, padding = ${paddingText(padding)}`;
  return makeValue("select_and_scatter", [x, source, splat(0, dtype)], x.type, attributes, [
    region(scalars, ([a, b]) => [compare("GE", a, b)]),
    region(scalars, ([a, b]) => [binary("add", a, b)]),
  ]);
}

/** The length that n elements take at a distance. */
const extent = (n: number, distance: number): number => (n - 1) * distance + 1;

/** How many windows there are. */
const places = (room: number, reach: number, stride: number): number =>
  room < reach ? 0 : Math.floor((room - reach) / stride) + 1;

const paddingText = (padding: Padding): string =>
  `dense<[${padding.map(([low, high]) => `[${low}, ${high}]`).join(", ")}]> : tensor<${padding.length}x2xi64>`;
