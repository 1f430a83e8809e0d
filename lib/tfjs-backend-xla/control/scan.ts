import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import type { TensorType, Value } from "../stablehlo";
import { applyStep } from "../trace/apply";
import { tensorType } from "../trace/dtypes";
import { isSlot, Slot } from "../trace/record";
import { residualsOf } from "../trace/residuals";
import { traceStep, type StepOf } from "../trace/step";
import { differentiationOrder } from "../trace/tape";
import { flatten, isTensor, mapLeaves } from "../trace/tree";
import { scanPlainly } from "./scan-plainly";
import { scanValues } from "./scan-values";
import { demandSameTree, type Leaves } from "./tree";

export interface ScanOptions {
  /** The number of steps; needed only where `xs` holds no tensors. */
  readonly length?: number;
  /** From the last step to the first: `ys` keeps the order of `xs`. False by default. */
  readonly reverse?: boolean;
  /**
   * What a first-order backward pass finds kept of each step: `carries`, from which it computes the step's inside again (about a third more
   * time, n times the carry in memory), or `all` that it needs of the inside (as an unrolled loop would). `carries` by default.
   */
  readonly keep?: "carries" | "all";
  /** How errors call the step; its function's own name by default. */
  readonly name?: string;
}

/**
 * A loop over the first axis of tensors: `[carry, y] = step(carry, x)` for each slice x of `xs`. The program of the loop holds the step
 * once, whatever the number of steps. Inside of `jit` and of another scan's step it becomes part of their program; outside it is recorded
 * as kernels are. On a backend other than `xla` it is a plain loop.
 *
 *     const [total, running] = scan((sum: tf.Tensor, x) => { const next = tf.add(sum, x); return [next, next]; }, tf.scalar(0), x_L);
 *
 * Gradients flow to `carry`, to `xs`, and to every tensor and variable that the step closes over, of any order. What the backward
 * loop needs is computed again from the carries before each step, which are the only thing kept (n times the carry), unless `keep` says
 * otherwise. `tf.grads` works inside of the step.
 *
 * @param step a function of tensors, called while it is traced: once on `xla`. It must not read values, nor create or assign variables.
 * It returns the next carry (the tree, shapes and types of the carry) and y, a tree of any tensors.
 * @param carry a tree (plain objects and arrays) of tensors; numbers, strings, booleans and null in it pass through unchanged.
 * @param xs a tree of tensors of shape [n, ...], with the same n of at least 1; null, with `length`, for none. Step i sees [...] of them.
 * @returns the last carry, and the ys as a tree of tensors of shape [n, ...]. The caller owns them, and keeps the arguments.
 * @throws if first axes differ, or if the step does not give back a carry like the one it took.
 */
export function scan<C, X, Y>(
  step: (carry: Leaves<C>, x: Leaves<X>) => readonly [Leaves<C>, Y],
  carry: C,
  xs: X,
  options: ScanOptions = {},
): [Leaves<C>, Leaves<Y>] {
  const name = options.name ?? (step.name || "the step of a scan");
  const [start, sequences] = [flatten(carry, `the carry of ${name}`), flatten(xs, `xs of ${name}`)];
  const length = lengthOf(name, sequences.tensors, options.length);
  const order = (n: number): number => (options.reverse ? length - 1 - n : n);
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) return scanPlainly(name, step, carry, xs, { length, order });

  let y: unknown;
  const flatStep = (carryTensors: readonly tf.Tensor[], xTensors: readonly tf.Tensor[]) => {
    const [next, made] = step(
      mapLeaves(carry, isTensor, (_, i) => carryTensors[i]) as Leaves<C>,
      mapLeaves(xs, isTensor, (_, i) => xTensors[i]) as Leaves<X>,
    );
    const flatNext = flatten(next, `the next carry of ${name}`);
    demandSameTree(`the next carry of ${name}`, start, flatNext);
    y = mapLeaves(made, isTensor, (_, index) => new Slot(index));
    return { nextCarry: flatNext.tensors, y: flatten(made, `y of ${name}`).tensors };
  };
  const types = {
    carry: start.tensors.map(tensorType),
    x: sequences.tensors.map(tensorType).map(({ dtype, shape }): TensorType => ({ dtype, shape: shape.slice(1) })),
  };
  return traceStep(backend, name, types, differentiationOrder(), flatStep, (traced) => {
    const keepsAll = options.keep === "all" && traced.steps.length === 2;
    const residuals = keepsAll ? residualsOf(traced.steps[0], traced.steps[1]) : [];
    const steps = keepsAll ? withResiduals(traced.steps, residuals) : traced.steps;
    const result = applyStep(
      {
        backend,
        name,
        captures: [...traced.captures.keys()],
        closedOver: traced.closedOver,
        numPullBacks: traced.steps.length - 1,
        emit: (depth, carryValues, xValues, captured) => {
          const { last, ys } = scanValues(steps[depth], {
            carry: carryValues,
            xs: xValues,
            captured: new Map([...traced.captures.values()].map((inside, i) => [inside, captured[i]])),
            length,
            reverse: (options.reverse ?? false) !== (depth % 2 === 1), // each pull-back runs the other way
          });
          const numKept = depth === steps.length - 1 ? 0 : steps[depth].carry.length + residuals.length;
          const numY = ys.length - numKept;
          return { carry: last, ys: ys.slice(0, numY), before: ys.slice(numY) };
        },
      },
      start.tensors,
      sequences.tensors,
    );
    return [
      mapLeaves(carry, isTensor, (_, i) => result.carry[i]),
      mapLeaves(y, isSlot, ({ index }) => result.ys[index]),
    ] as [Leaves<C>, Leaves<Y>];
  });
}

/** The step gives the residuals at the end of its y, and its pull-back takes them in its x, after the carry: it reads them as parameters. */
function withResiduals([step, pullBack]: readonly StepOf<Value>[], residuals: readonly Value[]): StepOf<Value>[] {
  const numGiven = step.x.length + step.carry.length;
  return [
    { ...step, y: [...step.y, ...residuals] },
    { ...pullBack, x: pullBack.x.toSpliced(numGiven, 0, ...residuals) },
  ];
}

/** The number of steps that the sequences, and the option, agree on. */
function lengthOf(name: string, sequences: readonly tf.Tensor[], given: number | undefined): number {
  const lengths = sequences.map(({ shape }) => shape[0]);
  const [length = given] = lengths;
  const told = `first axes ${lengths.join(", ") || "none"}, length ${given ?? "not given"}`;
  if (length === undefined) throw new Error(`${name}: the number of steps is not known (${told})`);
  if ([...lengths, given ?? length].some((n) => n !== length))
    throw new Error(`${name}: xs differ in length (${told})`);
  if (!Number.isSafeInteger(length) || length < 1) throw new RangeError(`${name}: there is no step to take (${told})`);
  return length;
}
