import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { useTestBackend } from "../testing";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { adamW, clipScale, globalNorm, stepScalars, type AdamWTensor } from "./adamw";
import type { OptimizerConfig } from "./run-config";
import { trainStep, initialState } from "./train-step";

const optimizer: OptimizerConfig = {
  learningRate: 3e-3,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupFraction: 0.3,
  finalFraction: 0.1,
};
const STEPS = 10;

beforeAll(useTestBackend);
beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

/** Deterministic numbers between -1 and 1 that follow no pattern of the optimizer's. */
function noise(seed: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)));
}

/** The schedule in float64, written from its definition: 3 of 10 steps rise to the peak, counted from 1; the last one has a tenth of it. */
function referenceRate(t: number): number {
  const peak = 3e-3;
  return t <= 3 ? (peak * t) / 3 : peak * (0.1 + 0.9 * 0.5 * (1 + Math.cos((Math.PI * (t - 3)) / 7)));
}

/** Decoupled AdamW in float64, one number at a time, written from the paper's Algorithm 2 and not from the code under test. */
class ScalarAdamW {
  #m = 0;
  #v = 0;

  constructor(
    public value: number,
    private readonly isDecayed: boolean,
  ) {}

  step(t: number, clippedGrad: number): void {
    const rate = referenceRate(t);
    this.#m = 0.9 * this.#m + 0.1 * clippedGrad;
    this.#v = 0.95 * this.#v + 0.05 * clippedGrad ** 2;
    const mHat = this.#m / (1 - 0.9 ** t);
    const vHat = this.#v / (1 - 0.95 ** t);
    this.value -= rate * (mHat / (Math.sqrt(vHat) + 1e-8) + (this.isDecayed ? 0.1 * this.value : 0));
  }
}

describe("AdamW", () => {
  it("follows the float64 reference over a whole schedule, clipped and not", () => {
    const shapes = [[3, 5], [4], [2, 2, 3]];
    let tensors: AdamWTensor[] = shapes.map((shape, i) => {
      const param = tf.tensor(noise(i, tf.util.sizeFromShape(shape)), shape);
      return { param, m: tf.zerosLike(param), v: tf.zerosLike(param) };
    });
    const reference = shapes.map((shape, i) =>
      noise(i, tf.util.sizeFromShape(shape)).map((value) => new ScalarAdamW(value, shape.length >= 2)),
    );
    for (let t = 1; t <= STEPS; t++) {
      // Norms from 0.03 to 30: some steps are clipped.
      const size = 10 ** ((t % 4) - 2);
      const grads = shapes.map((shape, i) => noise(100 * t + i, tf.util.sizeFromShape(shape)).map((g) => g * size));
      const norm = Math.sqrt(grads.flat().reduce((sum, g) => sum + g * g, 0));
      const clip = norm > 1 ? 1 / norm : 1;
      reference.forEach((numbers, i) => numbers.forEach((number, j) => number.step(t, grads[i][j] * clip)));

      const gradTensors = grads.map((grad, i) => tf.tensor(grad, shapes[i]));
      const scale = clipScale(globalNorm(gradTensors), optimizer.clipNorm);
      const scalars = stepScalars(t, STEPS, optimizer);
      tensors = tensors.map((tensor, i) => adamW(tensor, gradTensors[i], scale, scalars, optimizer));
    }
    tensors.forEach(({ param }, i) => {
      const expected = tf.tensor(
        reference[i].map(({ value }) => value),
        shapes[i],
      );
      expectClose(param, expected, { rtol: 2e-6, atol: 1e-7 });
    });
  });

  it("is what the compiled step does with the gradients of all tensors, clipped as one vector", () => {
    const shapes = [[3, 5], [4]];
    const sizes = shapes.map(tf.util.sizeFromShape);
    // The loss is sum_i s/2 |p_i - t_i|^2, whose gradient is s (p - t). The slopes s are tokens: 1 and 40, clipped by the second only.
    const targets = sizes.map((size, i) => noise(50 + i, size));
    const slope = (t: number): number => (t % 2 === 0 ? 40 : 1) / 20;
    const lossNats = (params: tf.Tensor[], tokens_BM: tf.Tensor2D): tf.Scalar =>
      tf.mul(
        tf.div(tf.sum(tokens_BM), 40),
        tf.addN(params.map((p, i) => tf.sum(tf.square(tf.sub(p, tf.tensor(targets[i], shapes[i])))))),
      );
    const step = trainStep(
      {
        losses: (params, tokens_BM) => {
          const loss = lossNats(params, tokens_BM);
          return { objective: loss, lossNats: loss, auxiliary: {}, loads: [] };
        },
        multipliesLoads: false,
        routerGradNorms: () => undefined,
        balanced: (params) => params,
        adapted: (l1Coefficient) => l1Coefficient,
      },
      optimizer,
    );
    const numbers = shapes.map((shape, i) =>
      noise(i, sizes[i]).map((value) => new ScalarAdamW(value, shape.length >= 2)),
    );
    let state = initialState(shapes.map((shape, i) => tf.tensor(noise(i, sizes[i]), shape)));
    let clipped = 0;
    for (let t = 1; t <= STEPS; t++) {
      const grads = numbers.map((tensor, i) => tensor.map(({ value }, j) => slope(t) * (value - targets[i][j])));
      const norm = Math.hypot(...grads.flat());
      clipped += norm > 1 ? 1 : 0;
      numbers.forEach((tensor, i) => tensor.forEach((each, j) => each.step(t, grads[i][j] / Math.max(1, norm))));
      const result = step(state, tf.tensor2d([[20 * slope(t)]], [1, 1], "int32"), stepScalars(t, STEPS, optimizer));
      state = result.state;
    }
    expect([clipped > 0, clipped < STEPS]).toEqual([true, true]);
    state.params.forEach((param, i) => {
      expectClose(
        tf.reshape(param, [-1]),
        numbers[i].map(({ value }) => value),
        { rtol: 5e-6, atol: 2e-7 },
      );
    });
  });

  it("decays matrices by learning rate times weight decay, and gains not at all", () => {
    const scalars = stepScalars(3, STEPS, optimizer);
    const still = (shape: number[]): tf.Tensor => {
      const zeros = tf.zeros(shape);
      return adamW({ param: tf.ones(shape), m: zeros, v: zeros }, zeros, tf.scalar(1), scalars, optimizer).param;
    };
    expectClose(still([2, 2]), tf.fill([2, 2], 1 - 3e-3 * 0.1), { rtol: 1e-7, atol: 0 });
    expectClose(still([4]), tf.ones([4]), EXACT);
  });
});

describe("clipping by the global norm", () => {
  it("takes all tensors as one vector", () => {
    expectClose(globalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[0], [4]])]), tf.scalar(5), { rtol: 1e-7, atol: 0 });
  });

  it.each([
    ["above: to the bound", 8, 0.125],
    ["at the bound", 1, 1],
    ["below: untouched", 0.5, 1],
    ["no gradient at all", 0, 1],
  ])("%s", (_case, norm, expected) => {
    expectClose(clipScale(tf.scalar(norm), 1), tf.scalar(expected), EXACT);
  });
});
