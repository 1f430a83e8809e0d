/** Control flow, barriers, and slices at places that are computed. Source: the StableHLO specification. */
import { splat } from "./literal";
import { i64Array } from "./shape";
import { demand, sameShape, typeText, type TensorType } from "./types";
import { makeOp, makeValue, region, type Value } from "./value";

const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/**
 * `initial` after `body` as often as `condition` holds before it. Both are functions of the loop's state alone: what they need
 * from outside is passed through as part of the state.
 */
export function whileLoop(
  initial: readonly Value[],
  condition: (state: readonly Value[]) => Value,
  body: (state: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const types = initial.map(({ type }) => type);
  const [test, step] = [region(types, (state) => [condition(state)]), region(types, body)];
  const [{ type: tested }] = test.results;
  demand(sameType(tested, BOOL), "while", () => `the condition is ${typeText(tested)}, not tensor<i1>`);
  demand(
    step.results.length === types.length && types.every((type, i) => sameType(type, step.results[i].type)),
    "while",
    () =>
      `the body turns (${types.map(typeText).join(", ")}) into (${step.results.map((r) => typeText(r.type)).join(", ")})`,
  );
  return makeOp("while", initial, types, "", [test, step]);
}

/** The results of one of two computations; only the chosen one is run. `captures` are the values outside that they refer to. */
export function conditional(
  predicate: Value,
  ifTrue: readonly Value[],
  ifFalse: readonly Value[],
  captures: readonly Value[],
): readonly Value[] {
  demand(sameType(predicate.type, BOOL), "if", () => `the predicate is ${typeText(predicate.type)}, not tensor<i1>`);
  demand(
    ifTrue.length === ifFalse.length && ifTrue.every((value, i) => sameType(value.type, ifFalse[i].type)),
    "if",
    () =>
      `the branches give (${ifTrue.map((v) => typeText(v.type)).join(", ")}) and (${ifFalse.map((v) => typeText(v.type)).join(", ")})`,
  );
  const branches = [ifTrue, ifFalse].map((results) => ({ parameters: [], results }));
  const types = ifTrue.map(({ type }) => type);
  return makeOp("if", [predicate], types, "", branches, captures);
}

/** The same values; the compiler computes all of them before anything that hangs on one, and merges nothing across. */
export function optimizationBarrier(values: readonly Value[]): readonly Value[] {
  return makeOp(
    "optimization_barrier",
    values,
    values.map(({ type }) => type),
  );
}

/** The slice of `sizes` that begins at `starts` (i32 scalars), moved inside where it would reach out. */
export function dynamicSlice(x: Value, starts: readonly Value[], sizes: readonly number[]): Value {
  const { shape, dtype } = x.type;
  demand(
    starts.length === shape.length && sizes.length === shape.length && sizes.every((n, i) => n <= shape[i]),
    "dynamic_slice",
    () => `a slice [${sizes.join(", ")}] at ${starts.length} indices does not fit ${typeText(x.type)}`,
  );
  return makeValue("dynamic_slice", [x, ...starts], { dtype, shape: sizes }, `slice_sizes = ${i64Array(sizes)}`);
}

/** `x` with `update` in place of the elements from `starts` (i32 scalars) on, moved inside where it would reach out. */
export function dynamicUpdateSlice(x: Value, update: Value, starts: readonly Value[]): Value {
  const { shape, dtype } = x.type;
  const fits =
    starts.length === shape.length &&
    update.type.dtype === dtype &&
    update.type.shape.length === shape.length &&
    update.type.shape.every((n, i) => n <= shape[i]);
  demand(
    fits,
    "dynamic_update_slice",
    () => `${typeText(update.type)} at ${starts.length} indices does not fit ${typeText(x.type)}`,
  );
  return makeValue("dynamic_update_slice", [x, update, ...starts], x.type);
}

/** Indices that name the n-th element of the first of `rank` axes. */
export const alongFirst = (n: Value, rank: number): Value[] =>
  Array.from({ length: rank }, (_, axis) => (axis === 0 ? n : splat(0, "i32")));

const BOOL: TensorType = { dtype: "i1", shape: [] };
