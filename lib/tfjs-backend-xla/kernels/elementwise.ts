import {
  binary,
  broadcastInDim,
  broadcastTo,
  clamp,
  compare,
  complex,
  convert,
  isComplex,
  isFinite,
  isFloat,
  part,
  select,
  splat,
  unary,
  type BinaryName,
  type Comparison,
  type UnaryName,
  type Value,
} from "../stablehlo";
import { elu, leakyRelu, prelu, rectified, relu6 } from "./activation";
import {
  attributeType,
  constant,
  extreme,
  like,
  onPair,
  onX,
  toFloat,
  toNumber,
  withScalar,
  type Kernel,
} from "./kernel";

const direct = (name: UnaryName): Kernel => onX((x) => unary(name, toFloat(x)));
const numeric = (name: UnaryName): Kernel => onX((x) => unary(name, toNumber(x)));
const pair = (name: BinaryName): Kernel => onPair((a, b) => binary(name, toNumber(a), toNumber(b)));
const comparison = (direction: Comparison): Kernel => onPair((a, b) => compare(direction, a, b));
const logical = (name: "and" | "or"): Kernel => onPair((a, b) => binary(name, toBool(a), toBool(b)));

const toBool = (x: Value): Value => (x.type.dtype === "i1" ? x : compare("NE", x, like(x, 0)));
const wholeFloat = (name: UnaryName): Kernel => onX((x) => (isFloat(x.type.dtype) ? unary(name, x) : toNumber(x)));

function cast(x: Value, dtype: unknown): Value {
  const type = attributeType(dtype);
  if (x.type.dtype === type) return x;
  const real = isComplex(x.type.dtype) ? part("real", x) : x;
  if (type === "i1") return toBool(real);
  if (type === "c64") return complex(convert(real, "f32"), splat(0, "f32", x.type.shape));
  return convert(real, type);
}

/** max(x, 0) + log(1 + exp(-|x|)): never overflows. */
function softplus(x: Value): Value {
  const tail = unary("log_plus_one", unary("exponential", unary("negate", unary("abs", x))));
  return binary("add", binary("maximum", x, like(x, 0)), tail);
}

/** Rounds towards minus infinity; integers, as in tfjs, whatever it divides. */
function floorDivide(a: Value, b: Value): Value {
  if (isFloat(a.type.dtype)) return convert(unary("floor", binary("divide", a, b)), "i32");
  const quotient = binary("divide", a, b);
  const remainder = binary("remainder", a, b);
  const opposite = compare("LT", binary("multiply", unary("sign", remainder), unary("sign", b)), like(b, 0));
  return select(opposite, withScalar("subtract", quotient, 1), quotient);
}

/** The remainder with the divisor's sign. */
function modulo(a: Value, b: Value): Value {
  const remainder = binary("remainder", a, b);
  const opposite = compare("LT", binary("multiply", unary("sign", remainder), unary("sign", b)), like(b, 0));
  return select(opposite, binary("add", remainder, b), remainder);
}

/** 1 where x > 0, alpha elsewhere, NaN for NaN. */
function step(x: Value, alpha: number): Value {
  return select(compare("NE", x, x), x, select(compare("GT", x, like(x, 0)), like(x, 1), like(x, alpha)));
}

/** In f64, since near its poles a tangent has more digits than those that f32 computes. */
const tangent = (x: Value): Value => convert(unary("tan", convert(x, "f64")), x.type.dtype);

/** -1, 0 or 1; 0 for NaN. */
function sign(x: Value): Value {
  return isFloat(x.type.dtype) ? select(compare("NE", x, x), like(x, 0), unary("sign", x)) : unary("sign", x);
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Abramowitz and Stegun 7.1.26, as tfjs's own backends compute it: absolute error under 1.5e-7. */
function erf(x: Value): Value {
  const magnitude = unary("abs", x);
  const t = binary("divide", like(x, 1), withScalar("add", withScalar("multiply", magnitude, 0.3275911), 1));
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const series = coefficients.reduce<Value>((sum, c) => binary("multiply", withScalar("add", sum, c), t), like(x, 0));
  const bell = unary("exponential", unary("negate", binary("multiply", x, x)));
  return binary("multiply", unary("sign", x), binary("subtract", like(x, 1), binary("multiply", series, bell)));
}

/** Kernels that work element by element. */
export const ELEMENTWISE = {
  Abs: numeric("abs"),
  Neg: numeric("negate"),
  Sign: onX((x) => sign(toNumber(x))),
  Exp: direct("exponential"),
  Expm1: direct("exponential_minus_one"),
  Log: direct("log"),
  Log1p: direct("log_plus_one"),
  Sqrt: direct("sqrt"),
  Rsqrt: direct("rsqrt"),
  Sin: direct("sine"),
  Cos: direct("cosine"),
  Tan: onX((x) => tangent(toFloat(x))),
  Tanh: direct("tanh"),
  Sigmoid: direct("logistic"),
  Floor: wholeFloat("floor"),
  Ceil: wholeFloat("ceil"),
  Round: wholeFloat("round_nearest_even"),
  Square: onX((x) => binary("multiply", x, x)),
  Reciprocal: onX((x) => binary("divide", like(x, 1), x)),
  Erf: onX((x) => erf(toFloat(x))),
  Softplus: onX((x) => softplus(toFloat(x))),
  Step: onX((x, { alpha }) => step(toNumber(x), (alpha as number | undefined) ?? 0)),
  Relu: onX((x) => withScalar("maximum", toNumber(x), 0)),
  Relu6: onX((x) => relu6(toNumber(x))),
  Elu: onX((x) => elu(toFloat(x))),
  Selu: onX((x) =>
    withScalar(
      "multiply",
      rectified(toFloat(x), (v) => withScalar("multiply", unary("exponential_minus_one", v), SELU_ALPHA)),
      SELU_SCALE,
    ),
  ),
  EluGrad: ({ dy, y }) => select(compare("GE", y, like(y, 0)), dy, binary("multiply", dy, withScalar("add", y, 1))),
  LeakyRelu: onX((x, { alpha }) => leakyRelu(toFloat(x), alpha as number)),
  ClipByValue: onX((x, { clipValueMin, clipValueMax }) =>
    clamp(constant(clipValueMin as number, x.type.dtype), x, constant(clipValueMax as number, x.type.dtype)),
  ),
  IsFinite: onX((x) => isFinite(toFloat(x))),
  IsNan: onX((x) => compare("NE", x, x)),
  IsInf: onX((x) => compare("EQ", unary("abs", toFloat(x)), like(toFloat(x), Infinity))),
  LogicalNot: onX((x) => unary("not", toBool(x))),
  Cast: onX((x, { dtype }) => cast(x, dtype)),
  ZerosLike: onX((x) => like(x, 0)),
  OnesLike: onX((x) => like(x, 1)),
  Add: pair("add"),
  Sub: pair("subtract"),
  Multiply: pair("multiply"),
  Maximum: onPair((a, b) => extreme("maximum", toNumber(a), toNumber(b))),
  Minimum: onPair((a, b) => extreme("minimum", toNumber(a), toNumber(b))),
  Pow: pair("power"),
  RealDiv: onPair((a, b) => binary("divide", toFloat(a), toFloat(b))),
  FloorDiv: onPair((a, b) => floorDivide(toNumber(a), toNumber(b))),
  Mod: onPair((a, b) => modulo(toNumber(a), toNumber(b))),
  Atan2: onPair((a, b) => binary("atan2", toFloat(a), toFloat(b))),
  SquaredDifference: onPair((a, b) => {
    const difference = binary("subtract", toNumber(a), toNumber(b));
    return binary("multiply", difference, difference);
  }),
  Equal: comparison("EQ"),
  NotEqual: comparison("NE"),
  Greater: comparison("GT"),
  GreaterEqual: comparison("GE"),
  Less: comparison("LT"),
  LessEqual: comparison("LE"),
  BitwiseAnd: pair("and"),
  LogicalAnd: logical("and"),
  LogicalOr: logical("or"),
  Prelu: ({ x, alpha }) => prelu(x, alpha),
  AddN: (inputs) => Object.values(inputs).reduce((sum, x) => binary("add", sum, x)),
  Select: ({ condition, t, e }) => {
    const rows = condition.type.shape.length === 1 && t.type.shape.length > 1;
    const mask = rows ? broadcastInDim(condition, t.type.shape, [0]) : broadcastTo(condition, t.type.shape);
    return select(mask, t, broadcastTo(e, t.type.shape));
  },
} as const satisfies Record<string, Kernel>;
