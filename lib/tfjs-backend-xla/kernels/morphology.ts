import * as tf from "@tensorflow/tfjs-core";
import {
  binary,
  broadcastInDim,
  compare,
  concatenate,
  pad,
  reshape,
  select,
  slice,
  splat,
  sum,
  type Value,
} from "../stablehlo";
import { axes2D, extent } from "./geometry";
import { asTensor, like, toFloat, type Attributes, type Kernel } from "./kernel";
import { taps } from "./taps";

const add = (a: Value, b: Value): Value => binary("add", a, b);

/** The window of a morphological dilation, whose filter has one channel axis. */
function dilation2D(x: Value, filter: Value, a: Attributes) {
  const info = tf.backend_util.computeDilation2DInfo(
    asTensor(x).shape as [number, number, number, number],
    asTensor(filter).shape as [number, number, number],
    a.strides as number,
    a.pad as number,
    "NHWC",
    a.dilations as number,
  );
  const axes = axes2D(info);
  const candidates = taps(toFloat(x), splat(-Infinity, "f32"), axes).map(({ at, value }) => {
    const weights = slice(toFloat(filter), [...at, 0], [at[0] + 1, at[1] + 1, filter.type.shape[2]]);
    return { at, sum: add(value, broadcastInDim(reshape(weights, [filter.type.shape[2]]), value.type.shape, [3])) };
  });
  return { axes, candidates };
}

const greatest = (candidates: readonly { readonly sum: Value }[]): Value =>
  candidates.map(({ sum }) => sum).reduce((a, b) => binary("maximum", a, b));

/** For each place of the window: `dy` where the first greatest sum came from there, zero elsewhere. */
function shares(x: Value, filter: Value, dy: Value, attrs: Attributes) {
  const { axes, candidates } = dilation2D(x, filter, attrs);
  const best = greatest(candidates);
  const zero = like(toFloat(dy), 0);
  let left = compare("EQ", best, best);
  const parts = candidates.map(({ at, sum }) => {
    const here = binary("and", left, compare("EQ", sum, best));
    left = select(here, like(left, 0), left);
    return { at, part: select(here, toFloat(dy), zero) };
  });
  return { axes, parts };
}

/** The parts put back to the elements of the input that they came from. */
const dilationInput: Kernel = ({ x, filter, dy }, attrs) => {
  const { axes, parts } = shares(x, filter, dy, attrs);
  return parts
    .map(({ at, part }) => {
      const low = axes.map(({ dilation, padding }, i) => at[i] * dilation - padding[0]);
      const high = axes.map(({ input, output, stride }, i) => input - extent(output, stride) - low[i]);
      const interior = axes.map(({ stride }) => stride - 1);
      return pad(part, splat(0, "f32"), [0, ...low, 0], [0, ...high, 0], [0, ...interior, 0]);
    })
    .reduce(add);
};

/** The parts summed over the batch and the windows. */
const dilationFilter: Kernel = ({ x, filter, dy }, attrs) => {
  const { parts } = shares(x, filter, dy, attrs);
  const sums = parts.map(({ part }) => reshape(sum(part, [0, 1, 2]), [1, filter.type.shape[2]]));
  return reshape(concatenate(sums, 0), filter.type.shape);
};

/** Dilation of grey images: the greatest sum of a window and the filter. */
export const MORPHOLOGY = {
  Dilation2D: ({ x, filter }, attrs) => greatest(dilation2D(x, filter, attrs).candidates),
  Dilation2DBackpropInput: dilationInput,
  Dilation2DBackpropFilter: dilationFilter,
} as const satisfies Record<string, Kernel>;
