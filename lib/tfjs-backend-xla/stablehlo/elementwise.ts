/** Elementwise operations. Source: the StableHLO specification, one function an operation. */
import { classOf, demand, isComplex, isFloat, sameShape, typeText, type DType } from "./types";
import { makeValue, type Value } from "./value";

const FLOAT_UNARY = [
  "exponential",
  "exponential_minus_one",
  "log",
  "log_plus_one",
  "sqrt",
  "rsqrt",
  "cbrt",
  "sine",
  "cosine",
  "tan",
  "tanh",
  "logistic",
  "floor",
  "ceil",
  "round_nearest_even",
] as const;
export type UnaryName = (typeof FLOAT_UNARY)[number] | "abs" | "negate" | "sign" | "not";
export type BinaryName =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "maximum"
  | "minimum"
  | "power"
  | "remainder"
  | "atan2"
  | "and"
  | "or"
  | "xor"
  | "shift_left"
  | "shift_right_logical";
export type Comparison = "EQ" | "NE" | "GE" | "GT" | "LE" | "LT";

/** `name(x)`, of x's type. Transcendental functions take floats only. */
export function unary(name: UnaryName, x: Value): Value {
  const needsFloat = (FLOAT_UNARY as readonly string[]).includes(name);
  demand(
    !needsFloat || isFloat(x.type.dtype) || isComplex(x.type.dtype),
    name,
    () => `takes floating-point tensors, not ${typeText(x.type)}`,
  );
  const dtype = name === "abs" && isComplex(x.type.dtype) ? "f32" : x.type.dtype;
  return makeValue(name, [x], { dtype, shape: x.type.shape });
}

/** `name(a, b)` of two tensors of one type; there is no broadcasting at this level. */
export function binary(name: BinaryName, a: Value, b: Value): Value {
  demandSameType(name, a, b);
  return makeValue(name, [a, b], a.type);
}

/** The complex numbers with the given f32 parts. */
export function complex(real: Value, imaginary: Value): Value {
  demandSameType("complex", real, imaginary);
  demand(real.type.dtype === "f32", "complex", () => `takes f32 tensors, not ${typeText(real.type)}`);
  return makeValue("complex", [real, imaginary], { dtype: "c64", shape: real.type.shape });
}

/** One part of complex numbers, as f32. */
export function part(name: "real" | "imag", x: Value): Value {
  demand(isComplex(x.type.dtype), name, () => `takes complex tensors, not ${typeText(x.type)}`);
  return makeValue(name, [x], { dtype: "f32", shape: x.type.shape });
}

/** Elementwise comparison, as booleans. Comparisons with NaN are false, except NE. */
export function compare(direction: Comparison, a: Value, b: Value): Value {
  demandSameType("compare", a, b);
  const kind =
    isFloat(a.type.dtype) || isComplex(a.type.dtype)
      ? "FLOAT"
      : classOf(a.type.dtype) === "signed"
        ? "SIGNED"
        : "UNSIGNED";
  const attributes = `comparison_direction = #stablehlo<comparison_direction ${direction}>, compare_type = #stablehlo<comparison_type ${kind}>`;
  return makeValue("compare", [a, b], { dtype: "i1", shape: a.type.shape }, attributes);
}

/** `condition ? a : b`, elementwise. */
export function select(condition: Value, a: Value, b: Value): Value {
  demandSameType("select", a, b);
  demand(
    condition.type.dtype === "i1" && sameShape(condition.type.shape, a.type.shape),
    "select",
    () => `the condition is ${typeText(condition.type)}, the branches are ${typeText(a.type)}`,
  );
  return makeValue("select", [condition, a, b], a.type);
}

/** `min(max(x, low), high)`; the bounds are scalars or of x's shape. */
export function clamp(low: Value, x: Value, high: Value): Value {
  for (const bound of [low, high]) {
    const fits =
      bound.type.dtype === x.type.dtype && (bound.type.shape.length === 0 || sameShape(bound.type.shape, x.type.shape));
    demand(fits, "clamp", () => `the bound ${typeText(bound.type)} does not fit ${typeText(x.type)}`);
  }
  return makeValue("clamp", [low, x, high], x.type);
}

/** Conversion of the element type; the value itself when it has that type already. */
export function convert(x: Value, dtype: DType): Value {
  return x.type.dtype === dtype ? x : makeValue("convert", [x], { dtype, shape: x.type.shape });
}

/** The same bits read as another type of the same width. */
export function bitcastConvert(x: Value, dtype: DType): Value {
  return makeValue("bitcast_convert", [x], { dtype, shape: x.type.shape });
}

/** Booleans: is x neither infinite nor NaN. */
export function isFinite(x: Value): Value {
  demand(isFloat(x.type.dtype), "is_finite", () => `takes floating-point tensors, not ${typeText(x.type)}`);
  return makeValue("is_finite", [x], { dtype: "i1", shape: x.type.shape });
}

function demandSameType(op: string, a: Value, b: Value): void {
  const same = a.type.dtype === b.type.dtype && sameShape(a.type.shape, b.type.shape);
  demand(same, op, () => `the operands are ${typeText(a.type)} and ${typeText(b.type)}; they must be of one type`);
}
