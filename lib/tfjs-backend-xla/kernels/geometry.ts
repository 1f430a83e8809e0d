import type * as tf from "@tensorflow/tfjs-core";

/** How a kernel, or a window, moves along one spatial axis. */
export interface Axis {
  /** Lengths of the input, the kernel and the result. */
  readonly input: number;
  readonly kernel: number;
  readonly output: number;
  readonly stride: number;
  /** The distance between the elements that the kernel takes. */
  readonly dilation: number;
  /** Padding before and after the input; what is needed to make a result of that length. */
  readonly padding: readonly [number, number];
}

/** The elements from the first to the last of `n`, when they are `distance` apart. */
export const extent = (n: number, distance: number): number => (n - 1) * distance + 1;

type Numbers = readonly number[];

function axis([input, kernel, output, stride, dilation, low, high]: Numbers): Axis {
  const reached = (output - 1) * stride + extent(kernel, dilation) - input - low; // further than `high` where lengths are rounded up
  return { input, kernel, output, stride, dilation, padding: [low, Math.max(high, reached)] };
}

/** Height and width. */
export function axes2D(info: tf.backend_util.Conv2DInfo): Axis[] {
  const { padInfo: pad } = info;
  return [
    [info.inHeight, info.filterHeight, info.outHeight, info.strideHeight, info.dilationHeight, pad.top, pad.bottom],
    [info.inWidth, info.filterWidth, info.outWidth, info.strideWidth, info.dilationWidth, pad.left, pad.right],
  ].map(axis);
}

/** Depth, height and width. */
export function axes3D(info: tf.backend_util.Conv3DInfo): Axis[] {
  const { padInfo: pad } = info;
  return [
    [info.inDepth, info.filterDepth, info.outDepth, info.strideDepth, info.dilationDepth, pad.front, pad.back],
    [info.inHeight, info.filterHeight, info.outHeight, info.strideHeight, info.dilationHeight, pad.top, pad.bottom],
    [info.inWidth, info.filterWidth, info.outWidth, info.strideWidth, info.dilationWidth, pad.left, pad.right],
  ].map(axis);
}
