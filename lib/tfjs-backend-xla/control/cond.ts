import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import { conditional, substitute, type Value } from "../stablehlo";
import { applyStep } from "../trace/apply";
import { tensorType } from "../trace/dtypes";
import { isSlot, Slot } from "../trace/record";
import { traceStep, type TracedStep } from "../trace/step";
import { differentiationOrder } from "../trace/tape";
import { flatten, isTensor, mapLeaves, type FlatTree } from "../trace/tree";
import { demandSameTree } from "./tree";
import { demandBool } from "./while-loop";

/**
 * `ifTrue(...args)` or `ifFalse(...args)`, as a tensor says: the device computes the chosen one alone. Inside of `jit` it becomes part of
 * its program; outside it is recorded as kernels are; on a backend other than `xla` the predicate is read and the function is called.
 *
 *     const y = cond(tf.greater(loss, 10), (g: tf.Tensor) => tf.mul(g, 0.1), (g) => g, gradient);
 *
 * Gradients, of the first order, flow to the arguments and to what the chosen function closes over; the backward pass computes its
 * inside again.
 *
 * @param predicate a bool scalar.
 * @param ifTrue both return trees of the same structure, shapes and types. They must not read values, nor create or assign variables.
 */
export function cond<A extends readonly unknown[], R>(
  predicate: tf.Tensor,
  ifTrue: (...args: A) => R,
  ifFalse: (...args: A) => R,
  ...args: A
): R {
  const name = `cond of ${ifTrue.name || "a function"} and ${ifFalse.name || "another"}`;
  demandBool(`the predicate of ${name}`, predicate);
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) return (predicate.dataSync()[0] !== 0 ? ifTrue : ifFalse)(...args);

  const given = flatten(args, `the arguments of ${name}`).tensors;
  const types = { carry: [], x: given.map(tensorType) };
  const results: FlatTree[] = [];
  let template: unknown;
  const step = (branch: (...args: A) => R) => (_: readonly tf.Tensor[], tensors: readonly tf.Tensor[]) => {
    const result = branch(...(mapLeaves(args, isTensor, (__, i) => tensors[i]) as A));
    template = mapLeaves(result, isTensor, (__, index) => new Slot(index));
    const flat = flatten(result, `the result of ${name}`);
    if (results.push(flat) === 2) demandSameTree(`what the second function of ${name} returns`, results[0], flat);
    return { nextCarry: [], y: flat.tensors };
  };
  const order = Math.min(differentiationOrder(), 1);
  return traceStep(backend, name, types, order, step(ifTrue), (yes) =>
    traceStep(backend, name, types, order, step(ifFalse), (no) => {
      const application = {
        backend,
        name,
        captures: [...yes.captures.keys(), ...no.captures.keys()],
        closedOver: [...yes.closedOver, ...no.closedOver],
        numPullBacks: order,
        limit: "it can be differentiated once only",
        emit: (depth: number, carry: readonly Value[], [which, ...xs]: readonly Value[], captured: readonly Value[]) =>
          emitBranches(depth, [yes, no], which, carry, xs, captured),
      };
      const { ys } = applyStep(application, [], [predicate, ...given]);
      return mapLeaves(template, isSlot, ({ index }) => ys[index]) as R;
    }),
  );
}

/** Both branches' steps at one depth. The carry holds the sums of the one and then of the other: a branch that is not chosen leaves its own. */
function emitBranches(
  depth: number,
  [yes, no]: readonly [TracedStep, TracedStep],
  predicate: Value,
  carry: readonly Value[],
  xs: readonly Value[],
  captured: readonly Value[],
) {
  const numYes = yes.steps[depth].carry.length;
  const [carryYes, carryNo] = [carry.slice(0, numYes), carry.slice(numYes)];
  const branch = ({ steps, captures }: TracedStep, own: readonly Value[], outside: readonly Value[]) => {
    const step = steps[depth];
    const parameters = [...step.carry, ...step.x, ...captures.values()];
    const values = [...own, ...xs, ...outside];
    const results = substitute([...step.nextCarry, ...step.y], new Map(parameters.map((p, i) => [p, values[i]])));
    return { next: results.slice(0, step.nextCarry.length), y: results.slice(step.nextCarry.length) };
  };
  const ifYes = branch(yes, carryYes, captured.slice(0, yes.captures.size));
  const ifNo = branch(no, carryNo, captured.slice(yes.captures.size));
  const chosen = conditional(
    predicate,
    [...ifYes.next, ...carryNo, ...ifYes.y],
    [...carryYes, ...ifNo.next, ...ifNo.y],
    [...carry, ...xs, ...captured],
  );
  return { carry: chosen.slice(0, carry.length), ys: chosen.slice(carry.length), before: carry };
}
