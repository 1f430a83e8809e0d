import {
  argExtreme,
  binary,
  broadcastInDim,
  compare,
  highest,
  iota,
  isFloat,
  lowest,
  max,
  reduce,
  reduceWindow,
  reshape,
  reverse,
  select,
  slice,
  sort,
  splat,
  sum,
  unary,
  type Value,
} from "../stablehlo";
import { axesOf, extreme, like, onX, toFloat, toNumber, withScalar, type Attributes, type Kernel } from "./kernel";

const kept = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.map((n, i) => (axes.includes(i) ? 1 : n));

/** A reduction over the axes that the attributes name, with tfjs's keepDims. */
function over(emit: (x: Value, axes: readonly number[]) => Value): Kernel {
  return onX((x, attrs) => {
    const axes = axesOf(attrs.axis ?? attrs.reductionIndices, x.type.shape.length);
    const reduced = emit(x, axes);
    return attrs.keepDims ? reshape(reduced, kept(x.type.shape, axes)) : reduced;
  });
}

function mean(x: Value, axes: readonly number[]): Value {
  const count = axes.reduce((n, axis) => n * x.type.shape[axis], 1);
  return withScalar("multiply", sum(toFloat(x), axes), 1 / count);
}

/** The reduced tensor spread over the axes it lost. */
function spread(reduced: Value, shape: readonly number[], axes: readonly number[]): Value {
  return broadcastInDim(
    reduced,
    shape,
    shape.map((_, i) => i).filter((i) => !axes.includes(i)),
  );
}

/** exp(x - max) and the sum of it, along one axis. */
function shiftedExponentials(x: Value, axis: number) {
  const shifted = binary("subtract", x, spread(max(x, [axis]), x.type.shape, [axis]));
  const exponentials = unary("exponential", shifted);
  return { shifted, exponentials, total: sum(exponentials, [axis]) };
}

const lastAxis = (x: Value, axis: unknown): number => axesOf(axis ?? -1, x.type.shape.length)[0];

function cumulative(name: "add" | "multiply", neutral: number): Kernel {
  return onX((given, attrs: Attributes) => {
    const x = toNumber(given);
    const axis = lastAxis(x, attrs.axis);
    const n = x.type.shape[axis];
    if (n === 0) return x; // a window has at least one element
    const along = (value: number, other: number) => x.type.shape.map((_, i) => (i === axis ? value : other));
    const turned = attrs.reverse ? reverse(x, [axis]) : x;
    const size = along(n, 1);
    const before = attrs.exclusive ? n : n - 1;
    const padding = size.map((_, i): [number, number] => [i === axis ? before : 0, 0]);
    const start = splat(neutral, x.type.dtype);
    const inclusive = reduceWindow(turned, start, { size, padding }, (a, b) => binary(name, a, b));
    const result = attrs.exclusive ? slice(inclusive, along(0, 0), x.type.shape) : inclusive;
    return attrs.reverse ? reverse(result, [axis]) : result;
  });
}

/** The greatest or least along axes, NaN where there is one. */
function extremeAlong(name: "maximum" | "minimum", x: Value, axes: readonly number[]): Value {
  const { dtype } = x.type;
  const start = splat(name === "maximum" ? lowest(dtype) : highest(dtype), dtype);
  return reduce(x, axes, start, (a, b) => extreme(name, a, b));
}

/** Where the first greatest or least is, as if NaN were the opposite. */
function argument(direction: "GT" | "LT"): Kernel {
  return onX((given, { axis }) => {
    const numbers = toNumber(given);
    const { dtype } = numbers.type;
    const last = like(numbers, direction === "GT" ? lowest(dtype) : highest(dtype));
    const x = isFloat(dtype) ? select(compare("NE", numbers, numbers), last, numbers) : numbers;
    const along = lastAxis(x, axis);
    return argExtreme(direction, x, iota("i32", x.type.shape, along), along);
  });
}

/** The k greatest along the last axis, and where they are; equal ones in order of index. */
const topK: Kernel = ({ x }, { k }) => {
  const axis = x.type.shape.length - 1;
  const [values, indices] = sort([x, iota("i32", x.type.shape, axis)], axis, ([a, b]) => compare("GT", a, b));
  const limit = x.type.shape.map((n, i) => (i === axis ? (k as number) : n));
  return [values, indices].map((v) =>
    slice(
      v,
      limit.map(() => 0),
      limit,
    ),
  );
};

/** Kernels that combine elements along axes. */
export const REDUCTION = {
  Sum: over((x, axes) => sum(toNumber(x), axes)),
  Mean: over(mean),
  Max: over((x, axes) => extremeAlong("maximum", toNumber(x), axes)),
  Min: over((x, axes) => extremeAlong("minimum", toNumber(x), axes)),
  Prod: over((x, axes) =>
    reduce(toNumber(x), axes, splat(1, toNumber(x).type.dtype), (a, b) => binary("multiply", a, b)),
  ),
  All: over((x, axes) => reduce(x, axes, splat(highest("i1"), "i1"), (a, b) => binary("and", a, b))),
  Any: over((x, axes) => reduce(x, axes, splat(lowest("i1"), "i1"), (a, b) => binary("or", a, b))),
  ArgMax: argument("GT"),
  ArgMin: argument("LT"),
  Cumsum: cumulative("add", 0),
  Cumprod: cumulative("multiply", 1),
  TopK: topK,
  Softmax: ({ logits }, { dim }) => {
    const x = toFloat(logits);
    const axis = lastAxis(x, dim);
    const { exponentials, total } = shiftedExponentials(x, axis);
    return binary("divide", exponentials, spread(total, x.type.shape, [axis]));
  },
  LogSoftmax: ({ logits }, { axis }) => {
    const x = toFloat(logits);
    const along = lastAxis(x, axis);
    const { shifted, total } = shiftedExponentials(x, along);
    return binary("subtract", shifted, spread(unary("log", total), x.type.shape, [along]));
  },
} as const satisfies Record<string, Kernel>;
