import { operandsFirst } from "./operands-first";
import { inputsOf, makeOp, type Op, type Region, type Value } from "./value";

/**
 * The same computation of `results` with values on the way replaced: a function's body applied to other arguments, when `replaced`
 * maps its parameters. What hangs on no replaced value is shared, not copied.
 */
export function substitute(results: readonly Value[], replaced: ReadonlyMap<Value, Value>): Value[] {
  const copies = new Map<Op, readonly Value[]>();
  const image = (value: Value): Value | undefined => replaced.get(value) ?? copies.get(value.op)?.[value.index];
  operandsFirst(
    results,
    (value) => image(value) !== undefined,
    (op) =>
      copies.set(
        op,
        copy(op, (value) => image(value)!),
      ),
  );
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
