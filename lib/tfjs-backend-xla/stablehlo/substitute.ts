import { inputsOf, makeOp, type Op, type Region, type Value } from "./value";

/**
 * The same computation of `results` with values on the way replaced: a function's body applied to other arguments, when `replaced`
 * maps its parameters. What hangs on no replaced value is shared, not copied.
 */
export function substitute(results: readonly Value[], replaced: ReadonlyMap<Value, Value>): Value[] {
  const copies = new Map<Op, readonly Value[]>();
  const image = (value: Value): Value | undefined => replaced.get(value) ?? copies.get(value.op)?.[value.index];
  const stack: { op: Op; next: number }[] = [];
  const open = (value: Value) => {
    if (!image(value)) stack.push({ op: value.op, next: 0 });
  };
  for (const result of results) {
    open(result);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const inputs = inputsOf(top.op);
      if (top.next < inputs.length) open(inputs[top.next++]);
      else {
        stack.pop();
        if (!copies.has(top.op))
          copies.set(
            top.op,
            copy(top.op, (value) => image(value)!),
          );
      }
    }
  }
  return results.map((value) => image(value)!);
}

/** The results of an operation on the images of its inputs; its own if they are the inputs themselves. */
function copy(op: Op, image: (value: Value) => Value): readonly Value[] {
  if (inputsOf(op).every((value) => image(value) === value)) return op.results;
  const captured = new Map(op.captures.map((value) => [value, image(value)]));
  const inside = ({ parameters, results }: Region): Region => ({
    parameters,
    results: substitute(results, new Map([...captured, ...parameters.map((p) => [p, p] as const)])),
  });
  return makeOp(
    op.name,
    op.operands.map(image),
    op.results.map(({ type }) => type),
    op.attributes,
    captured.size > 0 ? op.regions.map(inside) : op.regions,
    op.captures.map(image),
  );
}
