import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import { substitute, whileLoop as whileValues, type Value } from "../stablehlo";
import { applyStep } from "../trace/apply";
import { tensorType } from "../trace/dtypes";
import { traceStep } from "../trace/step";
import { flatten, isTensor, mapLeaves } from "../trace/tree";
import { demandSameTree, type Leaves } from "./tree";

/**
 * `init`, after `body` as often as `condition` holds before it. The program holds both once. Inside of `jit` it becomes part of its
 * program; outside it is recorded as kernels are; on a backend other than `xla` it is a plain loop that reads the condition.
 *
 *     const [n, x] = whileLoop(([n, x]) => tf.less(n, 10), ([n, x]) => [tf.add(n, 1), tf.mul(x, 2)], [tf.scalar(0), x0]);
 *
 * There are no gradients, since the number of steps is known only when the loop has run: asking for them is an error that says so.
 *
 * @param condition of the state: a bool scalar.
 * @param body from a state to the next, a tree of the same structure, shapes and types. Both may read tensors and variables outside;
 * neither may read values, nor create or assign variables.
 * @param init a tree (plain objects and arrays) of tensors; numbers, strings, booleans and null in it pass through unchanged.
 */
export function whileLoop<S>(
  condition: (state: Leaves<S>) => tf.Tensor,
  body: (state: Leaves<S>) => Leaves<S>,
  init: S,
  options: { readonly name?: string } = {},
): Leaves<S> {
  const name = options.name ?? (body.name || "the body of a loop");
  const start = flatten(init, `the state of ${name}`);
  const stateOf = (tensors: readonly tf.Tensor[]) => mapLeaves(init, isTensor, (_, i) => tensors[i]) as Leaves<S>;
  const test = (state: Leaves<S>) => demandBool(`the condition of ${name}`, condition(state));
  const step = (state: Leaves<S>) => {
    const next = flatten(body(state), `the next state of ${name}`);
    demandSameTree(`the next state of ${name}`, start, next);
    return next.tensors;
  };
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) return loopPlainly(test, step, stateOf, start.tensors);

  const types = { carry: start.tensors.map(tensorType), x: [] };
  const tested = (tensors: readonly tf.Tensor[]) => ({ nextCarry: [], y: [test(stateOf(tensors))] });
  const stepped = (tensors: readonly tf.Tensor[]) => ({ nextCarry: step(stateOf(tensors)), y: [] });
  return traceStep(backend, `the condition of ${name}`, types, 0, tested, (testing) =>
    traceStep(backend, name, types, 0, stepped, (stepping) => {
      const captures = [...testing.captures.keys(), ...stepping.captures.keys()];
      const parameters = [...testing.captures.values(), ...stepping.captures.values()];
      const emit = (_: number, carry: readonly Value[], __: readonly Value[], captured: readonly Value[]) => {
        const inside = (own: readonly Value[], state: readonly Value[]) =>
          new Map([...own, ...parameters].map((p, i) => [p, state[i]]));
        const [testStep, bodyStep] = [testing.steps[0], stepping.steps[0]];
        const last = whileValues(
          [...carry, ...captured],
          (state) => substitute(testStep.y, inside(testStep.carry, state))[0],
          (state) => [...substitute(bodyStep.nextCarry, inside(bodyStep.carry, state)), ...state.slice(carry.length)],
        );
        return { carry: last.slice(0, carry.length), ys: [], before: [] };
      };
      const closedOver = [...testing.closedOver, ...stepping.closedOver];
      const limit = "the number of steps is known only when it has run, so it has no gradients: use scan";
      const application = { backend, name, captures, closedOver, numPullBacks: 0, limit, emit };
      return stateOf(applyStep(application, start.tensors, []).carry);
    }),
  );
}

function loopPlainly<S>(
  test: (state: S) => tf.Tensor,
  step: (state: S) => tf.Tensor[],
  stateOf: (tensors: readonly tf.Tensor[]) => S,
  start: readonly tf.Tensor[],
): S {
  return tf.tidy(() => {
    let tensors = start.map((tensor) => tf.clone(tensor));
    while (tf.tidy(() => test(stateOf(tensors)).dataSync()[0]) !== 0) {
      const next = tf.tidy(() => step(stateOf(tensors)));
      for (const tensor of tensors) if (!next.includes(tensor)) tensor.dispose();
      tensors = next;
    }
    return stateOf(tensors) as tf.TensorContainer;
  }) as S;
}

/** Throws unless the tensor is a single truth value. */
export function demandBool(what: string, tensor: tf.Tensor): tf.Tensor {
  if (tensor.dtype !== "bool" || tensor.rank !== 0)
    throw new TypeError(`${what} is ${tensor.dtype} [${tensor.shape.join(", ")}]: it must be a bool scalar`);
  return tensor;
}
