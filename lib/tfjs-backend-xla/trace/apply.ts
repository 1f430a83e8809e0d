import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "../backend";
import type { Value } from "../stablehlo";
import { isFloatTensor } from "./step";
import { recordGradient } from "./tape";

/** How traced steps become operations. */
export interface Application {
  readonly backend: XlaBackend;
  /** How errors call it. */
  readonly name: string;
  /** The values that the steps take from outside. */
  readonly captures: readonly Value[];
  /** The float tensors outside that they read. */
  readonly closedOver: readonly tf.Tensor[];
  /** How many pull-backs have been traced, one upon the other. */
  readonly numPullBacks: number;
  /** Why there are not more of them; where it is not given, there are as many as the gradients under way need. */
  readonly limit?: string;
  /**
   * Emits the step (depth 0) or one of its pull-backs: from its carry, its x and the values of the captures to its next carry, its y, and
   * what the pull-back after it takes as the carry: that before each step.
   */
  emit(depth: number, carry: readonly Value[], xs: readonly Value[], captured: readonly Value[]): Emitted;
}

export interface Emitted {
  readonly carry: readonly Value[];
  readonly ys: readonly Value[];
  readonly before: readonly Value[];
}

interface Applied {
  readonly carry: readonly tf.Tensor[];
  readonly ys: readonly tf.Tensor[];
}

/** The results of a step that has just been traced, as tensors. The gradients under way are told of its pull-backs. */
export function applyStep(application: Application, carry: readonly tf.Tensor[], xs: readonly tf.Tensor[]): Applied {
  const { backend, captures, numPullBacks } = application;
  const outside = captures.map((value) => toTensor(backend, value));
  const applied = applyAt(application, outside, 0, carry, xs);
  if (numPullBacks === 0) tf.dispose(outside);
  return applied;
}

function applyAt(
  application: Application,
  outside: readonly tf.Tensor[],
  depth: number,
  carry: readonly tf.Tensor[],
  xs: readonly tf.Tensor[],
): Applied {
  const { backend, name, closedOver, numPullBacks, limit } = application;
  const valuesOf = (tensors: readonly tf.Tensor[]) => tensors.map((tensor) => backend.valueFor(tensor));
  const emitted = application.emit(depth, valuesOf(carry), valuesOf(xs), valuesOf(outside));
  const tensorsOf = (values: readonly Value[]) => values.map((value) => toTensor(backend, value));
  const [last, ys] = [tensorsOf(emitted.carry), tensorsOf(emitted.ys)];
  const inputs = [...floats(carry), ...floats(xs), ...closedOver];
  if (depth === numPullBacks) {
    const refuse = () => {
      throw new Error(`${name}: ${limit}`);
    };
    if (limit !== undefined && tf.engine().isTapeOn())
      recordGradient(name, inputs, floats([...last, ...ys]), [], refuse);
    return { carry: last, ys };
  }

  const before = tensorsOf(emitted.before);
  const taken = xs.map((tensor) => tf.clone(tensor)); // what is passed may be disposed of before the gradients are computed
  const isDifferentiatedAgain = depth + 1 < numPullBacks;
  const numCarry = floats(last).length;
  recordGradient(
    name,
    inputs,
    floats([...last, ...ys, ...(isDifferentiatedAgain ? before : [])]),
    [...taken, ...before, ...(depth === 0 ? outside : [])],
    (dys) => {
      const sums = closedOver.map(({ shape }): tf.Tensor => tf.fill(shape, 0));
      const pulled = applyAt(
        application,
        outside,
        depth + 1,
        [...dys.slice(0, numCarry), ...sums],
        [...taken, ...before, ...dys.slice(numCarry)],
      );
      return [...pulled.carry.slice(0, numCarry), ...pulled.ys, ...pulled.carry.slice(numCarry)];
    },
  );
  return { carry: last, ys };
}

const floats = (tensors: readonly tf.Tensor[]): tf.Tensor[] => tensors.filter(isFloatTensor);

const toTensor = (backend: XlaBackend, value: Value): tf.Tensor =>
  tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(value));
