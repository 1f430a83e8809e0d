/** Contractions, reductions and random bits. Source: the StableHLO specification. */
import { binary, compare, select } from "./elementwise";
import { splat } from "./literal";
import { i64Array, list } from "./shape";
import { classOf, demand, sameShape, typeText, type DType } from "./types";
import { makeOp, makeValue, region, type Value } from "./value";

export interface DotDimensions {
  readonly batch?: readonly [readonly number[], readonly number[]];
  readonly contract: readonly [readonly number[], readonly number[]];
}

/**
 * Products of `a` and `b` summed over the contracted axes. The result's axes: batch, then a's free ones, then b's.
 * `dtype` is the type of the result, and of the sums; `precision` how much of floats the device must take into account.
 */
export function dotGeneral(
  a: Value,
  b: Value,
  { batch = [[], []], contract }: DotDimensions,
  dtype: DType = a.type.dtype,
  precision: "DEFAULT" | "HIGHEST" = "DEFAULT",
): Value {
  const sizes = (x: Value, axes: readonly number[]) => axes.map((axis) => x.type.shape[axis]);
  const fits =
    sameShape(sizes(a, batch[0]), sizes(b, batch[1])) &&
    sameShape(sizes(a, contract[0]), sizes(b, contract[1])) &&
    a.type.dtype === b.type.dtype;
  demand(
    fits,
    "dot_general",
    () =>
      `${typeText(a.type)} and ${typeText(b.type)} do not fit: batch [${batch[0].join()}] x [${batch[1].join()}], contracted [${contract[0].join()}] x [${contract[1].join()}]`,
  );
  const free = (x: Value, side: 0 | 1) =>
    x.type.shape.filter((_, axis) => !batch[side].includes(axis) && !contract[side].includes(axis));
  const shape = [...sizes(a, batch[0]), ...free(a, 0), ...free(b, 1)];
  const numbers = `lhs_batching_dimensions = ${list(batch[0])}, rhs_batching_dimensions = ${list(batch[1])}, lhs_contracting_dimensions = ${list(contract[0])}, rhs_contracting_dimensions = ${list(contract[1])}`;
  return makeValue(
    "dot_general",
    [a, b],
    { dtype, shape },
    `dot_dimension_numbers = #stablehlo.dot<${numbers}>, precision_config = [#stablehlo<precision ${precision}>, #stablehlo<precision ${precision}>]`,
  );
}

/** Combines the elements along `axes`, which vanish. `combine` must be associative; `initial` is its neutral element. */
export function reduce(
  x: Value,
  axes: readonly number[],
  initial: Value,
  combine: (a: Value, b: Value) => Value,
): Value {
  demand(
    axes.every((axis) => axis >= 0 && axis < x.type.shape.length),
    "reduce",
    () => `${typeText(x.type)} has no axes [${axes.join(", ")}]`,
  );
  if (axes.length === 0) return x;
  const scalar = { dtype: x.type.dtype, shape: [] };
  const body = region([scalar, scalar], ([a, b]) => [combine(a, b)]);
  const shape = x.type.shape.filter((_, axis) => !axes.includes(axis));
  return makeValue("reduce", [x, initial], { dtype: x.type.dtype, shape }, `dimensions = ${i64Array(axes)}`, [body]);
}

export const sum = (x: Value, axes: readonly number[]): Value =>
  reduce(x, axes, splat(0, x.type.dtype), (a, b) => binary("add", a, b));
export const max = (x: Value, axes: readonly number[]): Value =>
  reduce(x, axes, splat(lowest(x.type.dtype), x.type.dtype), (a, b) => binary("maximum", a, b));
export const min = (x: Value, axes: readonly number[]): Value =>
  reduce(x, axes, splat(highest(x.type.dtype), x.type.dtype), (a, b) => binary("minimum", a, b));

/** The least value of a type: what a maximum starts from. */
export function lowest(dtype: DType): number {
  if (classOf(dtype) === "float") return -Infinity;
  return dtype === "i32" ? -(2 ** 31) : 0;
}

/** The greatest value of a type: what a minimum starts from. */
export function highest(dtype: DType): number {
  if (classOf(dtype) === "float") return Infinity;
  return dtype === "i32" ? 2 ** 31 - 1 : 1;
}

/** The index (i32) of the first greatest or least element along an axis. */
export function argExtreme(direction: "GT" | "LT", x: Value, indices: Value, axis: number): Value {
  const { dtype } = x.type;
  const scalars = [dtype, "i32", dtype, "i32"].map((type) => ({ dtype: type as DType, shape: [] }));
  const body = region(scalars, ([a, i, b, j]) => {
    const better = binary("or", compare(direction, a, b), compare("NE", a, a));
    const tie = binary("and", compare("EQ", a, b), compare("LT", i, j));
    const first = binary("or", better, tie);
    return [select(first, a, b), select(first, i, j)];
  });
  const start = splat(direction === "GT" ? lowest(dtype) : highest(dtype), dtype);
  const shape = x.type.shape.filter((_, other) => other !== axis);
  const types = [
    { dtype, shape },
    { dtype: "i32" as const, shape },
  ];
  return makeOp("reduce", [x, indices, start, splat(2 ** 31 - 1, "i32")], types, `dimensions = ${i64Array([axis])}`, [
    body,
  ])[1];
}

/** Uniform random bits by Threefry; `state` is [key, counter] as ui64. */
export function rngBitGenerator(state: Value, dtype: "ui32" | "ui64", shape: readonly number[]): Value {
  demand(
    state.type.dtype === "ui64" && sameShape(state.type.shape, [2]),
    "rng_bit_generator",
    () => `the state is ${typeText(state.type)}, not tensor<2xui64>`,
  );
  return makeOp(
    "rng_bit_generator",
    [state],
    [state.type, { dtype, shape }],
    "rng_algorithm = #stablehlo<rng_algorithm THREE_FRY>",
  )[1];
}
