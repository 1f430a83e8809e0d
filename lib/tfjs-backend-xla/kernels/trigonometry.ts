import { binary, compare, select, unary, type Value } from "../stablehlo";
import { like, onX, toFloat, withScalar, type Kernel } from "./kernel";

const add = (a: Value, b: Value): Value => binary("add", a, b);
const subtract = (a: Value, b: Value): Value => binary("subtract", a, b);
const half = (x: Value): Value => withScalar("multiply", x, 0.5);
const one = (x: Value): Value => like(x, 1);
/** sqrt(1 - x^2) without cancellation near 1. */
const complement = (x: Value): Value => unary("sqrt", binary("multiply", subtract(one(x), x), add(one(x), x)));

/** exp(x) / 2, which overflows later than exp(x). */
const halfExponential = (x: Value): Value => unary("exponential", withScalar("subtract", x, Math.LN2));

/** (e^x - e^-x) / 2; small arguments through e^x - 1, since the difference would cancel. */
function sinh(x: Value): Value {
  const large = subtract(halfExponential(x), halfExponential(unary("negate", x)));
  const e = unary("exponential_minus_one", x);
  const small = half(add(e, binary("divide", e, withScalar("add", e, 1))));
  return select(compare("LT", unary("abs", x), one(x)), small, large);
}

/** sign(x) log(|x| + sqrt(x^2 + 1)); the square of large arguments would overflow, and is all that counts. */
function asinh(x: Value): Value {
  const a = unary("abs", x);
  const squared = binary("multiply", a, a);
  const root = withScalar("add", unary("sqrt", withScalar("add", squared, 1)), 1);
  const small = unary("log_plus_one", add(a, binary("divide", squared, root)));
  const large = withScalar("add", unary("log", a), Math.LN2);
  const magnitude = select(compare("LT", a, like(a, 1e9)), small, large);
  return binary("multiply", unary("sign", x), magnitude);
}

/** log(x + sqrt(x^2 - 1)), from x - 1, which is exact near 1. */
function acosh(x: Value): Value {
  const above = withScalar("subtract", x, 1);
  const root = binary("multiply", unary("sqrt", above), unary("sqrt", withScalar("add", x, 1)));
  return unary("log_plus_one", add(above, root));
}

const of = (f: (x: Value) => Value): Kernel => onX((x) => f(toFloat(x)));

/** Inverse trigonometric and hyperbolic functions. */
export const TRIGONOMETRY = {
  Asin: of((x) => binary("atan2", x, complement(x))),
  Acos: of((x) => binary("atan2", complement(x), x)),
  Atan: of((x) => binary("atan2", x, one(x))),
  Sinh: of(sinh),
  Cosh: of((x) => add(halfExponential(x), halfExponential(unary("negate", x)))),
  Asinh: of(asinh),
  Acosh: of(acosh),
  Atanh: of((x) => half(subtract(unary("log_plus_one", x), unary("log_plus_one", unary("negate", x))))),
} as const satisfies Record<string, Kernel>;
