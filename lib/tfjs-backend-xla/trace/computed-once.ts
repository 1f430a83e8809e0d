import { inputsOf, operandsFirst, type Op, type Value } from "../stablehlo";

/** Operations that read in another order, repeat, or make out of nothing: to do it again costs no more than to read what it made. */
const VIEWS: ReadonlySet<string> = new Set([
  ...["broadcast_in_dim", "reshape", "transpose", "slice", "convert", "iota", "constant", "compare", "select"],
]);

/** Operations whose results XLA never computes within their readers. */
const WHOLE: ReadonlySet<string> = new Set([
  ...["dot_general", "convolution", "sort", "while", "if", "case", "custom_call", "optimization_barrier", "call"],
]);

/**
 * The values of a recorded program that several operations read, and that cost something to compute. XLA for processors computes such a value
 * within each of its readers, and what it is computed from within each of these again: lines of a notebook that each read the line before more
 * than once, such as `x = sub(sin(x), mean(x))`, soon compute the first line thousands of times, and compile for as long.
 *
 * @param leaves values that have data
 * @param results what the program returns
 */
export function computedOnce(leaves: readonly Value[], results: readonly Value[]): Set<Value> {
  const known = new Set(leaves);
  const visited = new Set<Op>();
  const ops: Op[] = [];
  operandsFirst(
    results,
    (value) => known.has(value) || visited.has(value.op),
    (op) => {
      visited.add(op);
      ops.push(op);
    },
  );
  /** How many operations read a value, directly or as it is seen through views. */
  const readers = new Map<Value, number>(results.map((value) => [value, 1]));
  const once = new Set<Value>();
  for (const op of ops.reverse()) {
    const isView = VIEWS.has(op.name);
    const through = isView ? (readers.get(op.results[0]) ?? 0) : 1;
    for (const value of new Set(inputsOf(op))) readers.set(value, (readers.get(value) ?? 0) + through);
    if (isView || WHOLE.has(op.name)) continue;
    for (const value of op.results) if ((readers.get(value) ?? 0) > 1) once.add(value);
  }
  return once;
}
