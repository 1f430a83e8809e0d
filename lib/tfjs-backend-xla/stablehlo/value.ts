import { demand, sizeOf, typeText, type TensorType } from "./types";

/** One operation of a program. Programs are graphs of these: an operation lives as long as something refers to it. */
export interface Op {
  /** Without the dialect: `add`, `dot_general`; `parameter` is an argument of the function that is being built. */
  readonly name: string;
  readonly operands: readonly Value[];
  /** The attribute dictionary as MLIR text, without braces; empty if there is none. */
  readonly attributes: string;
  readonly regions: readonly Region[];
  /** Values outside that the regions refer to; they are inputs of the operation as its operands are. */
  readonly captures: readonly Value[];
  readonly results: readonly Value[];
}

/** A result of an operation. */
export interface Value {
  readonly type: TensorType;
  readonly op: Op;
  /** Which of the operation's results this is. */
  readonly index: number;
}

/** A function inside an operation, such as the body of a reduction: of its parameters, and of the operation's captures. */
export interface Region {
  readonly parameters: readonly Value[];
  readonly results: readonly Value[];
}

const NONE: readonly never[] = [];

/** Makes an operation with the given result types. */
export function makeOp(
  name: string,
  operands: readonly Value[],
  types: readonly TensorType[],
  attributes = "",
  regions: readonly Region[] = NONE,
  captures: readonly Value[] = NONE,
): readonly Value[] {
  const results: Value[] = [];
  const op: Op = { name, operands, attributes, regions, captures, results };
  types.forEach((type, index) => {
    // XLA ends the process where the number of elements overflows
    const countable = Number.isSafeInteger(sizeOf(type.shape));
    demand(countable, name, () => `${typeText(type)} has more elements than any memory`);
    results.push({ type, op, index });
  });
  return results;
}

/** What must be there before an operation can be computed. */
export const inputsOf = ({ operands, captures }: Op): readonly Value[] =>
  captures.length === 0 ? operands : [...operands, ...captures];

/** Makes an operation with one result. */
export function makeValue(
  name: string,
  operands: readonly Value[],
  type: TensorType,
  attributes = "",
  regions: readonly Region[] = NONE,
): Value {
  return makeOp(name, operands, [type], attributes, regions)[0];
}

/** An argument of the program, or of a region. */
export const parameter = (type: TensorType): Value => makeValue("parameter", [], type);

/** A region whose body is `build` of fresh parameters. */
export function region(
  types: readonly TensorType[],
  build: (parameters: readonly Value[]) => readonly Value[],
): Region {
  const parameters = types.map(parameter);
  return { parameters, results: build(parameters) };
}
