import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "../backend";
import { parameter, type TensorType, type Value } from "../stablehlo";
import { withoutTape } from "./tape";
import { VariableSnapshot } from "./variables";

/** One step of a scan, `(carry, x) -> (next carry, y)`, in tensors or in values. */
export interface StepOf<T> {
  readonly carry: readonly T[];
  readonly x: readonly T[];
  readonly nextCarry: readonly T[];
  readonly y: readonly T[];
}

/** A traced step: a function of its parameters and of what it closes over. */
export interface TracedStep {
  /**
   * The step, and after each the step that pulls gradients back through it, for the scan that runs the other way: its carry is the
   * gradients of the next carry's floats, and sums of gradients of `closedOver`; its x is (x, carry, gradients of y's floats); its next
   * carry is the gradients of the carry's floats, and the sums with those of this step; its y is the gradients of x's floats.
   * All but the last have the carry that they take at the end of their y as well: what pulling back needs.
   */
  readonly steps: readonly StepOf<Value>[];
  /** From values outside to the parameters that stand for them. */
  readonly captures: ReadonlyMap<Value, Value>;
  /** The float tensors outside that the step reads. */
  readonly closedOver: readonly tf.Tensor[];
}

export const isFloatTensor = (tensor: tf.Tensor): boolean => tensor.dtype === "float32";
const floats = (tensors: readonly tf.Tensor[]): tf.Tensor[] => tensors.filter(isFloatTensor);

/**
 * Traces a step for carry and x of the given types, with as many pull-backs as `order` asks for, and passes it to `use`.
 * The step is called once. What it reads from outside stays computable until `use` returns.
 * @throws if the step assigns to a variable or creates one.
 */
export function traceStep<R>(
  backend: XlaBackend,
  name: string,
  types: { readonly carry: readonly TensorType[]; readonly x: readonly TensorType[] },
  order: number,
  step: (
    carry: readonly tf.Tensor[],
    x: readonly tf.Tensor[],
  ) => { readonly nextCarry: readonly tf.Tensor[]; readonly y: readonly tf.Tensor[] },
  use: (traced: TracedStep) => R,
): R {
  const engine = tf.engine();
  const variables = new VariableSnapshot(backend);
  engine.startScope(name);
  const newest = tf.scalar(0);
  const region = backend.beginRegion(name, newest.id);
  const standIns = new Map<tf.Tensor, Value>();
  const standIn = (type: TensorType): tf.Tensor => {
    const value = parameter(type);
    const tensor = tf.keep(engine.makeTensorFromTensorInfo(backend.tensorInfo(value))); // through the tidies of gradients
    standIns.set(tensor, value);
    return tensor;
  };
  const likeFloats = (tensors: readonly tf.Tensor[]) =>
    floats(tensors).map(({ shape }) => standIn({ dtype: "f32", shape }));
  const steps: StepOf<Value>[] = [];
  // tfjs disposes of tensors when a gradient's forward pass ends: their values are taken before
  const keepValues = (traced: StepOf<tf.Tensor>) => {
    const values = (tensors: readonly tf.Tensor[]) => tensors.map((t) => standIns.get(t) ?? backend.valueFor(t));
    steps.push({
      carry: values(traced.carry),
      x: values(traced.x),
      nextCarry: values(traced.nextCarry),
      y: values(traced.y),
    });
  };

  const plain = (): StepOf<tf.Tensor> => {
    const [carry, x] = [types.carry.map(standIn), types.x.map(standIn)];
    return { carry, x, ...step(carry, x) };
  };
  const pullBack = (times: number): StepOf<tf.Tensor> => {
    let traced!: StepOf<tf.Tensor>;
    let dNext!: tf.Tensor[];
    let dY!: tf.Tensor[];
    const withRespectTo: tf.Tensor[] = [newest]; // tfjs asks for one at the start, and reads the list at the end
    const { grads } = engine.gradients(
      () => {
        traced = times === 1 ? plain() : pullBack(times - 1);
        traced = { ...traced, y: [...traced.y, ...traced.carry] };
        keepValues(traced);
        withRespectTo.push(...floats(traced.carry), ...floats(traced.x), ...region.closedOver);
        // the carries that are kept have gradients of their own only if the pulling back is differentiated again
        const y = times < order ? traced.y : traced.y.slice(0, -traced.carry.length || undefined);
        [dNext, dY] = [likeFloats(traced.nextCarry), likeFloats(y)];
        return innerProduct(floats([...traced.nextCarry, ...y]), [...dNext, ...dY]);
      },
      withRespectTo,
      undefined,
      true,
    );
    const found = withRespectTo.map(({ shape }, i): tf.Tensor => grads[i] ?? tf.zeros(shape)).slice(1);
    const [numCarry, numX] = [floats(traced.carry).length, floats(traced.x).length];
    const sums = likeFloats(region.closedOver);
    return {
      carry: [...dNext, ...sums],
      x: [...traced.x, ...traced.carry, ...dY],
      nextCarry: [
        ...found.slice(0, numCarry),
        ...sums.map((sum, i): tf.Tensor => tf.add(sum, found[numCarry + numX + i])),
      ],
      y: found.slice(numCarry, numCarry + numX),
    };
  };

  try {
    try {
      withoutTape(() => keepValues(order === 0 ? plain() : pullBack(order)));
      const [changed] = [...variables.created(), ...variables.assigned(), ...variables.disposed()];
      if (changed)
        throw new Error(
          `${name} creates, assigns or disposes of the variable ${changed.name}: it would happen once, while it is traced; carry a tensor instead`,
        );
    } finally {
      variables.restore();
      tf.dispose([...standIns.keys()]);
      backend.endTrace();
      engine.endScope();
      variables.release();
    }
    return use({ steps, captures: region.captures, closedOver: region.closedOver });
  } finally {
    backend.releaseRegion(region);
  }
}

/** A scalar whose gradient with respect to each tensor is that tensor's weight. */
function innerProduct(tensors: readonly tf.Tensor[], weights: readonly tf.Tensor[]): tf.Scalar {
  return tensors.reduce<tf.Scalar>(
    (total, tensor, i) => tf.add(total, tf.sum(tf.mul(tensor, weights[i]))),
    tf.scalar(0),
  );
}
