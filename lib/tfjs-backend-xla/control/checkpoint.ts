import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import { optimizationBarrier, substitute, type Value } from "../stablehlo";
import { applyStep, type Emitted } from "../trace/apply";
import { tensorType } from "../trace/dtypes";
import { isSlot, Slot } from "../trace/record";
import { traceStep, type TracedStep } from "../trace/step";
import { differentiationOrder } from "../trace/tape";
import { flatten, isTensor, mapLeaves } from "../trace/tree";

/**
 * The same function, whose gradients keep nothing but its arguments and what it closes over: all that lies between is computed again
 * when the backward pass comes to it. Memory for time: a model of n checkpointed layers holds n layers' inputs and the inside of one. An
 * optimization barrier keeps XLA from taking the first computation's results after all.
 *
 *     const h = checkpoint((x: tf.Tensor) => block(weights, x))(x_BLD);
 *
 * Values and gradients are those of `fn`, of any order; gradients flow to what it closes over too. Outside of gradients, and on a backend
 * other than `xla`, it is `fn`.
 *
 * @param fn takes and returns tensors in plain objects and arrays. It must not read values, nor create or assign variables.
 * @param options.name how errors call it; the function's own name by default.
 */
export function checkpoint<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: { readonly name?: string } = {},
): (...args: A) => R {
  const name = options.name ?? (fn.name || "a checkpointed function");
  return (...args) => {
    const backend = tf.backend();
    const order = differentiationOrder();
    if (!(backend instanceof XlaBackend) || order === 0) return fn(...args);
    const given = flatten(args, `the arguments of ${name}`).tensors;
    let result: unknown;
    const step = (_: readonly tf.Tensor[], tensors: readonly tf.Tensor[]) => {
      const made = fn(...(mapLeaves(args, isTensor, (__, i) => tensors[i]) as A));
      result = mapLeaves(made, isTensor, (__, index) => new Slot(index));
      return { nextCarry: [], y: flatten(made, `the result of ${name}`).tensors };
    };
    return traceStep(backend, name, { carry: [], x: given.map(tensorType) }, order, step, (traced) => {
      const application = {
        backend,
        name,
        captures: [...traced.captures.keys()],
        closedOver: traced.closedOver,
        numPullBacks: order,
        emit: (depth: number, carry: readonly Value[], xs: readonly Value[], captured: readonly Value[]) =>
          emitBehindBarrier(traced, depth, carry, xs, captured),
      };
      const { ys } = applyStep(application, [], given);
      return mapLeaves(result, isSlot, ({ index }) => ys[index]) as R;
    });
  };
}

/** A traced step once, in place. A pull-back computes the step's inside again, from inputs that a barrier makes others than the step's. */
function emitBehindBarrier(
  { steps, captures }: TracedStep,
  depth: number,
  carry: readonly Value[],
  xs: readonly Value[],
  captured: readonly Value[],
): Emitted {
  const step = steps[depth];
  const inputs = [...xs, ...captured];
  const held = depth === 0 ? inputs : optimizationBarrier(inputs);
  const parameters = [...step.x, ...captures.values()];
  const given = new Map(parameters.map((p, i) => [p, held[i]]));
  step.carry.forEach((p, i) => given.set(p, carry[i]));
  const results = substitute([...step.nextCarry, ...step.y], given);
  const [numNext, numKept] = [step.nextCarry.length, depth === steps.length - 1 ? 0 : step.carry.length];
  return {
    carry: results.slice(0, numNext),
    ys: results.slice(numNext, results.length - numKept),
    before: carry,
  };
}
