import {
  alongFirst,
  binary,
  compare,
  dynamicSlice,
  dynamicUpdateSlice,
  reshape,
  splat,
  substitute,
  whileLoop,
  type Value,
} from "../stablehlo";
import type { StepOf } from "../trace/step";

export interface ScanOperands {
  readonly carry: readonly Value[];
  /** Of shape [length, ...]. */
  readonly xs: readonly Value[];
  /** From the step's parameters to the values that they stand for. */
  readonly captured: ReadonlyMap<Value, Value>;
  readonly length: number;
  readonly reverse: boolean;
}

/** The step, once for each element of `xs`, as one loop: the last carry, and the ys, each of shape [length, ...]. */
export function scanValues(
  step: StepOf<Value>,
  { carry, xs, captured, length, reverse }: ScanOperands,
): { readonly last: readonly Value[]; readonly ys: readonly Value[] } {
  const buffers = step.y.map(({ type }) => splat(0, type.dtype, [length, ...type.shape]));
  const [lastIndex, one] = [splat(length - 1, "i32"), splat(1, "i32")];
  const parts = [[splat(0, "i32")], carry, buffers, xs, [...captured.values()]];
  const results = whileLoop(
    parts.flat(),
    ([n]) => compare("LT", n, splat(length, "i32")),
    (state) => {
      const [[n], carried, written, sequences, constants] = regroup(state, parts);
      const at = reverse ? binary("subtract", lastIndex, n) : n;
      const given = new Map([
        ...pairs(step.carry, carried),
        ...pairs(
          step.x,
          sequences.map((sequence) => element(sequence, at)),
        ),
        ...pairs([...captured.keys()], constants),
      ]);
      const computed = substitute([...step.nextCarry, ...step.y], given);
      const [next, y] = regroup(computed, [step.nextCarry, step.y]);
      return [
        binary("add", n, one),
        ...next,
        ...written.map((buffer, i) => put(buffer, y[i], at)),
        ...sequences,
        ...constants,
      ];
    },
  );
  const [, last, ys] = regroup(results, parts);
  return { last, ys };
}

const element = (sequence: Value, n: Value): Value => {
  const [, ...shape] = sequence.type.shape;
  return reshape(dynamicSlice(sequence, alongFirst(n, shape.length + 1), [1, ...shape]), shape);
};

const put = (sequence: Value, value: Value, n: Value): Value =>
  dynamicUpdateSlice(sequence, reshape(value, [1, ...value.type.shape]), alongFirst(n, sequence.type.shape.length));

/** Values one after the other, in groups as long as those of `like`. */
function regroup(values: readonly Value[], like: readonly (readonly Value[])[]): Value[][] {
  let start = 0;
  return like.map(({ length }) => values.slice(start, (start += length)));
}

const pairs = (keys: readonly Value[], values: readonly Value[]): (readonly [Value, Value])[] =>
  keys.map((key, i) => [key, values[i]] as const);
