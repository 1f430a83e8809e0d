import * as tf from "@tensorflow/tfjs-core";
import { concatenate, pad, reshape, reverse, slice, splat, transpose, type Value } from "../stablehlo";
import { onX, type Kernel } from "./kernel";

/** Blocks of the spatial axes become elements of the batch. */
const spaceToBatch: Kernel = ({ x }, attrs) => {
  const blocks = attrs.blockShape as number[];
  const paddings = attrs.paddings as [number, number][];
  const size = tf.util.sizeFromShape(blocks);
  const width = (side: 0 | 1) => x.type.shape.map((_, i) => paddings[i - 1]?.[side] ?? 0);
  const padded = pad(x, splat(0, x.type.dtype), width(0), width(1));
  const shape = [...padded.type.shape];
  const split = reshape(padded, tf.backend_util.getReshaped(shape, blocks, size, false));
  const turned = transpose(split, tf.backend_util.getPermuted(split.type.shape.length, blocks.length, false));
  return reshape(turned, tf.backend_util.getReshapedPermuted(shape, blocks, size, false));
};

/** The opposite of `spaceToBatch`, cropped. */
const batchToSpace: Kernel = ({ x }, attrs) => {
  const blocks = attrs.blockShape as number[];
  const crops = attrs.crops as [number, number][];
  const size = tf.util.sizeFromShape(blocks);
  const shape = [...x.type.shape];
  const split = reshape(x, tf.backend_util.getReshaped(shape, blocks, size));
  const turned = transpose(split, tf.backend_util.getPermuted(split.type.shape.length, blocks.length));
  const whole = reshape(turned, tf.backend_util.getReshapedPermuted(shape, blocks, size));
  const start = tf.backend_util.getSliceBeginCoords(crops, blocks.length);
  const lengths = tf.backend_util.getSliceSize([...whole.type.shape], crops, blocks.length);
  return slice(
    whole,
    whole.type.shape.map((_, i) => start[i] ?? 0),
    whole.type.shape.map((n, i) => (i < lengths.length ? start[i] + lengths[i] : n)),
  );
};

/** Channels become blocks of height and width. */
function depthToSpace(x: Value, block: number, dataFormat: unknown): Value {
  if (dataFormat === "NCHW") {
    const [batch, depth, height, width] = x.type.shape;
    const channels = depth / block ** 2;
    const split = reshape(x, [batch, block, block, channels, height, width]);
    return reshape(transpose(split, [0, 3, 4, 1, 5, 2]), [batch, channels, height * block, width * block]);
  }
  const [batch, height, width, depth] = x.type.shape;
  const channels = depth / block ** 2;
  const split = reshape(x, [batch, height, width, block, block, channels]);
  return reshape(transpose(split, [0, 1, 3, 2, 4, 5]), [batch, height * block, width * block, channels]);
}

/** Elements mirrored at both ends of each axis; `reflect` leaves out the outermost one, which would stand twice. */
function mirrorPad(x: Value, paddings: readonly (readonly [number, number])[], reflect: boolean): Value {
  const skip = reflect ? 1 : 0;
  return paddings.reduce((value, [before, after], axis) => {
    const n = value.type.shape[axis];
    const part = (from: number, to: number): Value => {
      const start = value.type.shape.map((_, i) => (i === axis ? from : 0));
      const limit = value.type.shape.map((length, i) => (i === axis ? to : length));
      return reverse(slice(value, start, limit), [axis]);
    };
    const parts = [part(skip, skip + before), value, part(n - skip - after, n - skip)];
    return concatenate(
      parts.filter((piece) => piece.type.shape[axis] > 0),
      axis,
    );
  }, x);
}

/** Kernels that move blocks of elements between axes, or mirror them. */
export const BLOCKS = {
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  DepthToSpace: onX((x, { blockSize, dataFormat }) => depthToSpace(x, blockSize as number, dataFormat)),
  MirrorPad: onX((x, { paddings, mode }) => mirrorPad(x, paddings as [number, number][], mode === "reflect")),
} as const satisfies Record<string, Kernel>;
