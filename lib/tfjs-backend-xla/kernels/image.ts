import * as tf from "@tensorflow/tfjs-core";
import {
  binary,
  broadcastInDim,
  broadcastTo,
  clamp,
  compare,
  concatenate,
  convert,
  iota,
  literal,
  reshape,
  reverse,
  select,
  slice,
  splat,
  unary,
  type Value,
} from "../stablehlo";
import { gatherNd } from "./indexing";
import { like, toFloat, withScalar, type Kernel } from "./kernel";

/** Coordinates are computed in f64: a rounding error at the border between two elements would pick another one. */
const COORDINATE = "f64";

const add = (a: Value, b: Value): Value => binary("add", a, b);
const subtract = (a: Value, b: Value): Value => binary("subtract", a, b);
const multiply = (a: Value, b: Value): Value => binary("multiply", a, b);
const times = (x: Value, by: number): Value => withScalar("multiply", x, by);
/** JavaScript's Math.round: halves go up. */
const round = (x: Value): Value => unary("floor", withScalar("add", x, 0.5));
const between = (x: Value, low: number, high: number): Value =>
  binary("and", compare("GE", x, like(x, low)), compare("LE", x, like(x, high)));

/** One coordinate of the elements of [batch, height, width], counted along an axis. */
const count = (shape: readonly number[], axis: number): Value => iota(COORDINATE, shape, axis);

/** Picks elements of a batch of images: at whole coordinates y and x of shape [batch, height, width], those outside as the border's. */
interface Places {
  /** Which image of the batch, as i32, in the shape of y and x. */
  readonly image: Value;
  readonly y: Value;
  readonly x: Value;
}

function pick(images: Value, { image, y, x }: Places): Value {
  const [, height, width] = images.type.shape;
  const index = (coordinate: Value, length: number): Value => {
    const inside = clamp(splat(0, COORDINATE), coordinate, splat(length - 1, COORDINATE));
    return convert(inside, "i32");
  };
  const parts = [image, index(y, height), index(x, width)];
  return gatherNd(
    images,
    concatenate(
      parts.map((part) => reshape(part, [...part.type.shape, 1])),
      image.type.shape.length,
    ),
  );
}

/** A value for each place, spread over the channels. */
const overChannels = (x: Value, shape: readonly number[]): Value => broadcastInDim(x, shape, [0, 1, 2]);

/** Picks with a colour for what is outside of the image. */
function pickOr(images: Value, places: Places, fill: Value): Value {
  const [, height, width] = images.type.shape;
  const inside = binary("and", between(places.y, 0, height - 1), between(places.x, 0, width - 1));
  const picked = pick(images, places);
  return select(overChannels(inside, picked.type.shape), picked, broadcastTo(fill, picked.type.shape));
}

/** Picks from the four elements around each place, by how near they are. */
function bilinear({ image, y, x }: Places, read: (places: Places) => Value): Value {
  const [top, left] = [unary("floor", y), unary("floor", x)];
  const [bottom, right] = [withScalar("add", top, 1), withScalar("add", left, 1)];
  const mix = (a: Value, b: Value, share: Value): Value => {
    const shares = overChannels(convert(share, "f32"), a.type.shape);
    return add(a, multiply(subtract(b, a), shares));
  };
  const row = (at: Value): Value =>
    mix(read({ image, y: at, x: left }), read({ image, y: at, x: right }), subtract(x, left));
  return mix(row(top), row(bottom), subtract(y, top));
}

/** Boxes, in fractions of the image, cut out and brought to one size. Boxes of images that are not there are 0. */
const cropAndResize: Kernel = ({ image: given, boxes, boxInd }, attrs) => {
  const images = toFloat(given);
  const [batch, imageHeight, imageWidth, channels] = images.type.shape;
  const [height, width] = attrs.cropSize as [number, number];
  const shape = [boxes.type.shape[0], height, width];
  const corner = (column: number): Value => {
    const part = slice(boxes, [0, column], [shape[0], column + 1]);
    return broadcastInDim(convert(reshape(part, [shape[0]]), COORDINATE), shape, [0]);
  };
  const along = (axis: 1 | 2, from: Value, to: Value, length: number): Value => {
    const size = shape[axis];
    if (size === 1) return times(add(from, to), 0.5 * (length - 1));
    const step = times(subtract(to, from), (length - 1) / (size - 1));
    return add(times(from, length - 1), multiply(count(shape, axis), step));
  };
  const image = broadcastInDim(convert(boxInd, "i32"), shape, [0]);
  const places = {
    image,
    y: along(1, corner(0), corner(2), imageHeight),
    x: along(2, corner(1), corner(3), imageWidth),
  };
  const result =
    attrs.method === "bilinear"
      ? bilinear(places, (at) => pick(images, at))
      : pick(images, { image, y: round(places.y), x: round(places.x) });
  const full = [...shape, channels];
  const inside = binary("and", between(places.y, 0, imageHeight - 1), between(places.x, 0, imageWidth - 1));
  const filled = select(overChannels(inside, full), result, splat(attrs.extrapolationValue as number, "f32", full));
  const known = overChannels(compare("LT", image, like(image, batch)), full);
  return select(known, filled, like(filled, 0));
};

/** Folds a coordinate that is outside of an axis back, by tfjs's fill modes. */
const FILL_MODES: Readonly<Record<string, (at: Value, length: number) => Value>> = {
  constant: (at) => at,
  nearest: (at, length) => clamp(splat(0, COORDINATE), at, splat(length - 1, COORDINATE)),
  reflect: (at, length) => {
    const turn = 2 * length;
    const whole = (x: Value) => times(unary("floor", times(x, 1 / turn)), turn); // of x >= 0
    const negative = unary("negate", at);
    const folded = subtract(negative, whole(negative)); // in [0, turn)
    const before = select(
      compare("GT", folded, like(folded, length)),
      subtract(like(folded, turn), folded),
      withScalar("subtract", folded, 1),
    );
    const rest = subtract(at, whole(at));
    const after = select(compare("GE", rest, like(rest, length)), subtract(like(rest, turn - 1), rest), rest);
    return within(at, length, before, after);
  },
  wrap: (at, length) => {
    const rounds = (x: Value) => times(unary("floor", times(x, 1 / (length - 1))), length); // of x >= 0
    const before = add(at, withScalar("add", rounds(unary("negate", at)), length));
    return within(at, length, before, subtract(at, rounds(at)));
  },
};

/** The coordinate where it is on the axis, else what stands for it before or after, at most at the ends. */
function within(at: Value, length: number, before: Value, after: Value): Value {
  if (length === 1) return like(at, 0);
  const beyond = select(compare("GT", at, like(at, length - 1)), after, at);
  const folded = select(compare("LT", at, like(at, 0)), before, beyond);
  return clamp(splat(0, COORDINATE), folded, splat(length - 1, COORDINATE));
}

/** Images seen through a projection of eight numbers; where nothing is projected they are filled. */
const transform: Kernel = ({ image: given, transforms }, attrs) => {
  const images = toFloat(given);
  const [batch, imageHeight, imageWidth] = images.type.shape;
  const [height, width] = (attrs.outputShape as [number, number] | undefined) ?? [imageHeight, imageWidth];
  const shape = [batch, height, width];
  const [x, y] = [count(shape, 2), count(shape, 1)];
  const number = (i: number): Value => {
    const column = reshape(slice(transforms, [0, i], [transforms.type.shape[0], i + 1]), [transforms.type.shape[0]]);
    return broadcastInDim(broadcastTo(convert(column, COORDINATE), [batch]), shape, [0]);
  };
  const line = (i: number): Value => add(multiply(number(i), x), multiply(number(i + 1), y));
  const projection = withScalar("add", line(6), 1);
  const fold = FILL_MODES[attrs.fillMode as string] ?? FILL_MODES.constant;
  const at = (i: number, length: number): Value =>
    fold(binary("divide", add(line(i), number(i + 2)), projection), length);
  const places = { image: convert(count(shape, 0), "i32"), y: at(3, imageHeight), x: at(0, imageWidth) };
  const fill = splat(attrs.fillValue as number, "f32");
  const result =
    attrs.interpolation === "bilinear"
      ? bilinear(places, (around) => pickOr(images, around, fill))
      : pickOr(images, { ...places, y: round(places.y), x: round(places.x) }, fill);
  const seen = overChannels(compare("NE", projection, like(projection, 0)), result.type.shape);
  return convert(select(seen, result, broadcastTo(fill, result.type.shape)), given.type.dtype);
};

/** Images turned around a centre; the corners are filled, those of an alpha channel (the fourth) opaque. */
const rotate: Kernel = ({ image: images }, attrs) => {
  const { radians, fillValue, center } = attrs as {
    readonly radians: number;
    readonly fillValue: number | number[];
    readonly center: number | [number, number];
  };
  const [batch, height, width, channels] = images.type.shape;
  const [centreX, centreY] = tf.backend_util.getImageCenter(center, height, width);
  const shape = [batch, height, width];
  const x = withScalar("subtract", count(shape, 2), centreX);
  const y = withScalar("subtract", count(shape, 1), centreY);
  const [cosine, sine] = [Math.cos(radians), Math.sin(radians)];
  const places = {
    image: convert(count(shape, 0), "i32"),
    y: round(withScalar("add", add(times(x, sine), times(y, cosine)), centreY)),
    x: round(withScalar("add", subtract(times(x, cosine), times(y, sine)), centreX)),
  };
  const colour = Array.from({ length: channels }, (_, i) =>
    typeof fillValue === "number" ? fillValue : i === 3 ? OPAQUE : fillValue[i],
  );
  return pickOr(images, places, literal(colour, images.type.dtype, [channels]));
};
const OPAQUE = 255;

/** Kernels that look at images, batches with channels last, through another frame. */
export const IMAGE = {
  CropAndResize: cropAndResize,
  Transform: transform,
  RotateWithOffset: rotate,
  FlipLeftRight: ({ image }) => reverse(image, [2]),
} as const satisfies Record<string, Kernel>;
