import {
  binary,
  broadcastInDim,
  compare,
  convert,
  dotGeneral,
  iota,
  literal,
  transpose,
  type Value,
} from "../stablehlo";
import { gatherAlong } from "./indexing";
import { toFloat, type Attributes, type Kernel } from "./kernel";

/** Where the elements of a resized axis come from: between two elements, at a fraction of the way. */
interface Source {
  readonly lower: number[];
  readonly upper: number[];
  readonly fraction: number[];
}

const HEIGHT = 1;
const WIDTH = 2;
const AXES = [HEIGHT, WIDTH] as const;

/** The place of each new element on the old axis, which tfjs offers in three conventions. */
function positions(
  old: number,
  size: number,
  { alignCorners, halfPixelCenters }: Attributes,
  centre: number,
): number[] {
  const corners = Boolean(alignCorners) && size > 1;
  const ratio = (corners ? old - 1 : old) / (corners ? size - 1 : size);
  return Array.from({ length: size }, (_, i) => (halfPixelCenters ? ratio * (i + 0.5) - centre : ratio * i));
}

function linear(old: number, size: number, attrs: Attributes): Source {
  const at = positions(old, size, attrs, 0.5);
  const lower = at.map((x) => Math.max(0, Math.floor(x)));
  return {
    lower,
    upper: at.map((x) => Math.min(old - 1, Math.ceil(x))),
    fraction: at.map((x, i) => x - lower[i]),
  };
}

function nearest(old: number, size: number, attrs: Attributes): Source {
  const whole = attrs.alignCorners ? Math.round : Math.floor;
  const lower = positions(old, size, attrs, 0).map((x) => Math.min(old - 1, whole(x)));
  return { lower, upper: lower, fraction: lower.map(() => 0) };
}

type Rule = (old: number, size: number, attrs: Attributes) => Source;

const indices = (at: readonly number[]): Value => literal(at, "i32", [at.length]);

const resizeBilinear: Kernel = ({ images }, attrs) =>
  AXES.reduce((x, axis) => {
    const { lower, upper, fraction } = linear(x.type.shape[axis], (attrs.size as number[])[axis - 1], attrs);
    const [from, to] = [lower, upper].map((at) => gatherAlong(x, indices(at), axis, 0));
    const share = broadcastInDim(literal(fraction, "f32", [fraction.length]), from.type.shape, [axis]);
    return binary("add", from, binary("multiply", binary("subtract", to, from), share));
  }, toFloat(images));

const resizeNearest: Kernel = ({ images }, attrs) =>
  AXES.reduce((x, axis) => {
    const { lower } = nearest(x.type.shape[axis], (attrs.size as number[])[axis - 1], attrs);
    return gatherAlong(x, indices(lower), axis, 0);
  }, images);

/** The weight of each old element (columns) in each new one (rows). */
function weights(old: number, { lower, upper, fraction }: Source): Value {
  const shape = [lower.length, old];
  const part = (at: readonly number[], share: readonly number[]): Value => {
    const hit = compare("EQ", broadcastInDim(indices(at), shape, [0]), iota("i32", shape, 1));
    return binary("multiply", convert(hit, "f32"), broadcastInDim(literal(share, "f32", [share.length]), shape, [0]));
  };
  const rest = fraction.map((share) => 1 - share);
  return binary("add", part(lower, rest), part(upper, fraction));
}

/** Resizing is linear in the image: its gradient multiplies `dy` by the transposed weights, axis by axis. */
const gradient =
  (rule: Rule): Kernel =>
  ({ images, dy }, attrs) => {
    const [rows, columns] = AXES.map((axis) => {
      const [old, size] = [images.type.shape[axis], dy.type.shape[axis]];
      return weights(old, rule(old, size, attrs));
    });
    const byRow = dotGeneral(toFloat(dy), rows, { contract: [[HEIGHT], [0]] }, "f32", "HIGHEST"); // batch, columns, channels, height
    const all = dotGeneral(byRow, columns, { contract: [[1], [0]] }, "f32", "HIGHEST"); // batch, channels, height, width
    return transpose(all, [0, 2, 3, 1]);
  };

/** Images, batches with channels last, in another size. */
export const RESIZE = {
  ResizeBilinear: resizeBilinear,
  ResizeBilinearGrad: gradient(linear),
  ResizeNearestNeighbor: resizeNearest,
  ResizeNearestNeighborGrad: gradient(nearest),
} as const satisfies Record<string, Kernel>;
