import { pad, slice, type Value } from "../stablehlo";
import { extent, type Axis } from "./geometry";

/** One place in a window, and the element that each window has there. */
export interface Tap {
  readonly at: readonly number[];
  readonly value: Value;
}

/** The elements of windows over the spatial axes of a batch with its channels last: as many tensors as a window has places. */
export function taps(x: Value, fill: Value, axes: readonly Axis[]): Tap[] {
  const padded = pad(
    x,
    fill,
    [0, ...axes.map(({ padding }) => padding[0]), 0],
    [0, ...axes.map(({ padding }) => padding[1]), 0],
  );
  const [batch, channels] = [x.type.shape[0], x.type.shape[axes.length + 1]];
  const reach = [batch, ...axes.map(({ output, stride }) => extent(output, stride)), channels];
  return places(axes.map(({ kernel }) => kernel)).map((at) => {
    const start = [0, ...axes.map(({ dilation }, i) => at[i] * dilation), 0];
    const limit = start.map((from, i) => from + reach[i]);
    return { at, value: slice(padded, start, limit, [1, ...axes.map(({ stride }) => stride), 1]) };
  });
}

/** All indices of an array of the given shape, the last axis fastest. */
const places = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>((all, n) => all.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])), [[]]);
