import { binary, broadcastTo, compare, select, unary, type Value } from "../stablehlo";
import { like, toFloat, withScalar, type Attributes, type Kernel, type KernelDevice } from "./kernel";

/** x where it is positive, else `negative` of x. */
export const rectified = (x: Value, negative: (x: Value) => Value): Value =>
  select(compare("GE", x, like(x, 0)), x, negative(x));

const relu = (x: Value): Value => withScalar("maximum", x, 0);
export const relu6 = (x: Value): Value => withScalar("minimum", relu(x), 6);
export const leakyRelu = (x: Value, alpha: number): Value => rectified(x, (v) => withScalar("multiply", v, alpha));
export const elu = (x: Value): Value => rectified(x, (v) => unary("exponential_minus_one", v));

/** Leaky with a slope for each element, or for each of the axes that alpha has. */
export function prelu(x: Value, alpha: Value): Value {
  const slope = broadcastTo(toFloat(alpha), x.type.shape);
  return rectified(toFloat(x), (v) => binary("multiply", v, slope));
}

interface Parameters {
  /** The slopes of prelu. */
  readonly slopes?: Value;
  /** The slope of leakyrelu. */
  readonly alpha: number;
}

/** Activations that fused kernels apply, by tfjs's names. */
const ACTIVATIONS: Readonly<Record<string, (x: Value, parameters: Parameters) => Value>> = {
  linear: (x) => x,
  relu,
  relu6,
  elu,
  sigmoid: (x) => unary("logistic", x),
  leakyrelu: (x, { alpha }) => leakyRelu(x, alpha),
  prelu: (x, { slopes }) => prelu(x, slopes!),
};

/** A kernel followed by a bias and an activation, both optional, as tfjs's fused kernels take them. */
export function fused(
  kernel: (inputs: Readonly<Record<string, Value>>, attrs: Attributes, device: KernelDevice) => Value,
): Kernel {
  return (inputs, attrs, device) => {
    const result = kernel(inputs, attrs, device);
    const { bias, preluActivationWeights } = inputs;
    const shifted = bias ? binary("add", result, broadcastTo(bias, result.type.shape)) : result;
    const name = (attrs.activation as string | undefined) ?? "linear";
    const apply = ACTIVATIONS[name];
    if (!apply)
      throw new Error(`the activation ${name} is not known; use one of ${Object.keys(ACTIVATIONS).join(", ")}`);
    return apply(shifted, { slopes: preluActivationWeights, alpha: (attrs.leakyreluAlpha as number | undefined) ?? 0 });
  };
}
