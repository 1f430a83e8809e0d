import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { jit } from "tfjs-backend-xla";
import { expectClose, type Comparable, type ShapedValues, type Tolerance } from "tfjs-backend-xla/testing";
import { Draws } from "./draws";

/** One function, written twice. */
export interface Rungs {
  /** Shapes of the inputs, which are drawn from the standard normal distribution. */
  readonly shapes: readonly (readonly number[])[];
  /** The function in plain loops and float64, of flat inputs; its result is flat too. */
  readonly reference: (inputs: readonly Float64Array[]) => ArrayLike<number>;
  /** The same in tfjs. */
  readonly fn: (inputs: tf.Tensor[]) => tf.Tensor;
}

/** float32 after some hundred operations on values of order 1. */
const CLOSE: Tolerance = { rtol: 1e-4, atol: 2e-5 };

/**
 * Compares a function's value and its gradients by all inputs, rung by rung: tfjs's `cpu` backend with the reference, whose gradients are
 * central differences, then the backend under test with `cpu`. The inputs are fresh at each run.
 *
 * @throws Error with the seed of the inputs, where two rungs differ
 */
export async function climb({ shapes, reference, fn }: Rungs, tolerance = CLOSE): Promise<void> {
  const tested = tf.getBackend();
  const climbOnce = async (seed: number): Promise<void> => {
    const draws = new Draws(seed);
    const draw = (size: number): Float64Array => Float64Array.from(draws.many(size, () => Math.fround(draws.normal())));
    const inputs = shapes.map((shape) => draw(tf.util.sizeFromShape([...shape])));
    const dy = draw(reference(inputs).length);
    const expected = [Float64Array.from(reference(inputs)), ...centralDifferences(reference, inputs, dy)];

    const onCpu = await valueAndGradients("cpu", { shapes, reference, fn }, inputs, dy);
    onCpu.forEach(({ values }, i) => compare("cpu and the reference", i, values, expected[i], tolerance));
    const onTested = await valueAndGradients(tested, { shapes, reference, fn }, inputs, dy);
    onTested.forEach((each, i) => compare(`${tested} and cpu`, i, each, onCpu[i], tolerance));
  };
  try {
    await fc.assert(fc.asyncProperty(fc.nat(), climbOnce), { numRuns: 1, endOnFailure: true });
  } finally {
    await tf.setBackend(tested);
  }
}

function compare(rungs: string, index: number, actual: Comparable, expected: Comparable, tolerance: Tolerance): void {
  try {
    expectClose(actual, expected, tolerance);
  } catch (error) {
    const what = index === 0 ? "values" : `gradients by input ${index - 1}`;
    throw new Error(`${what} of ${rungs} differ: ${(error as Error).message}`, { cause: error });
  }
}

async function valueAndGradients(
  backend: string,
  { shapes, fn }: Rungs,
  inputs: readonly Float64Array[],
  dy: Float64Array,
): Promise<(ShapedValues & { values: Float32Array })[]> {
  await tf.setBackend(backend);
  return tf.tidy(() => {
    const run = jit((args: tf.Tensor[], dyFlat: tf.Tensor) => {
      const outputShape = fn(args).shape;
      const { value, grads } = tf.valueAndGrads((...args) => fn(args))(args, tf.reshape(dyFlat, outputShape));
      return [value, ...grads];
    });
    const tensors = inputs.map((values, i) => tf.tensor(Float32Array.from(values), [...shapes[i]]));
    const made = run(tensors, tf.tensor1d(Float32Array.from(dy)));
    return made.map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync<"float32">(), dtype: tensor.dtype }));
  });
}

/** The gradients of `sum of dy reference(inputs)`. */
function centralDifferences(
  reference: Rungs["reference"],
  inputs: readonly Float64Array[],
  dy: Float64Array,
): Float64Array[] {
  const step = 1e-5;
  const weighted = (at: readonly Float64Array[]): number => {
    const out = reference(at);
    return dy.reduce((sum, weight, i) => sum + weight * out[i], 0);
  };
  return inputs.map((input, which) =>
    input.map((_, i) => {
      const [up, down] = [step, -step].map((by) => {
        const moved = Float64Array.from(input);
        moved[i] += by;
        return weighted(inputs.with(which, moved));
      });
      return (up - down) / (2 * step);
    }),
  );
}
