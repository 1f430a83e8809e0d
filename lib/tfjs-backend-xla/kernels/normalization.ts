import { binary, broadcastTo, reduceWindow, splat, unary, type Value } from "../stablehlo";
import { toFloat, withScalar, type Attributes, type Kernel } from "./kernel";

const add = (a: Value, b: Value): Value => binary("add", a, b);
const multiply = (a: Value, b: Value): Value => binary("multiply", a, b);

/** offset + scale (x - mean) / sqrt(variance + epsilon), with statistics that are given. */
const batchNorm: Kernel = ({ x, scale, offset, mean, variance }, { varianceEpsilon }) => {
  const spread = (value: Value) => broadcastTo(value, x.type.shape);
  const inverse = unary("rsqrt", withScalar("add", variance, varianceEpsilon as number));
  const normal = multiply(binary("subtract", x, spread(mean)), spread(inverse));
  const scaled = scale ? multiply(normal, spread(scale)) : normal;
  return offset ? add(scaled, spread(offset)) : scaled;
};

/** Sums over the neighbours on the last axis, up to a distance. */
function neighbours(x: Value, radius: number): Value {
  const last = x.type.shape.length - 1;
  const size = x.type.shape.map((_, i) => (i === last ? 2 * radius + 1 : 1));
  const padding = x.type.shape.map((_, i): [number, number] => (i === last ? [radius, radius] : [0, 0]));
  return reduceWindow(x, splat(0, x.type.dtype), { size, padding }, add);
}

/** bias + alpha times the squares of the neighbouring channels. */
const responses = (x: Value, { depthRadius, bias, alpha }: Attributes): Value =>
  withScalar(
    "add",
    withScalar("multiply", neighbours(multiply(x, x), depthRadius as number), alpha as number),
    bias as number,
  );

const power = (x: Value, exponent: number): Value => withScalar("power", x, exponent);

/** Krizhevsky's local response normalization: y = x r^-beta, with the responses r above. */
const localResponse: Kernel = ({ x: given }, attrs) => {
  const x = toFloat(given);
  return multiply(x, power(responses(x, attrs), -(attrs.beta as number)));
};

/** dx_i = dy_i r_i^-beta - 2 alpha beta x_i sum_j dy_j y_j / r_j over the neighbours j of i. */
const localResponseGradient: Kernel = ({ x, y, dy }, attrs) => {
  const { alpha, beta, depthRadius } = attrs as Readonly<Record<string, number>>;
  const norm = responses(x, attrs);
  const through = neighbours(binary("divide", multiply(dy, y), norm), depthRadius);
  const shared = multiply(withScalar("multiply", x, 2 * alpha * beta), through);
  return binary("subtract", multiply(dy, power(norm, -beta)), shared);
};

/** Normalizations over batches and channels. */
export const NORMALIZATION = {
  FusedBatchNorm: batchNorm,
  LRN: localResponse,
  LRNGrad: localResponseGradient,
} as const satisfies Record<string, Kernel>;
