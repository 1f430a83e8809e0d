import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { checkpoint, jit, type XlaBackend } from "../index";
import { expectClose } from "../testing";

const CLOSE = { rtol: 1e-6, atol: 1e-7 };
let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

const numbers = (shape: number[], phase: number): tf.Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + phase) / shape[0]);
  return tf.tensor(values, shape);
};

type Layer = (h: tf.Tensor) => tf.Tensor;
/** A deep chain of layers, each wide inside: what a checkpoint is for. */
const deep = (wrap: (layer: Layer) => Layer, weights: readonly tf.Tensor[]) => (x: tf.Tensor) =>
  tf.sum<tf.Scalar>(
    weights.reduce<tf.Tensor>((h, w) => {
      const layer = (input: tf.Tensor) => {
        const inner = tf.sin(tf.matMul(input as tf.Tensor2D, w as tf.Tensor2D));
        return tf.matMul(tf.exp(tf.sin(tf.square(inner))), w, false, true);
      };
      return wrap(layer)(h);
    }, x),
  );

const plain = (layer: Layer): Layer => layer;
const checkpointed = (layer: Layer): Layer => checkpoint(layer);

/** Bytes of scratch in the program that a compiled function is. */
async function scratchBytes(fn: () => unknown): Promise<number> {
  const compile = vi.spyOn(backend.device, "compileAsync");
  await jit(fn).prepare();
  const program = await (compile.mock.results[0].value as ReturnType<typeof backend.device.compileAsync>);
  compile.mockRestore();
  return program.memory().temporaryBytes;
}

describe("a checkpointed function", () => {
  it("has the value and the gradients of the function, for what it closes over too", () => {
    const weights = [1, 2, 3].map((phase) => tf.variable(numbers([4, 8], phase)));
    const x = numbers([2, 4], 4);
    const gradients = (wrap: (layer: Layer) => Layer) => () => {
      const { value, grads } = tf.variableGrads(() => deep(wrap, weights)(x), weights);
      return [value, ...weights.map((w) => grads[w.name]), tf.grad(deep(wrap, weights))(x)];
    };
    const expected = gradients(plain)();
    for (const f of [gradients(checkpointed), jit(gradients(checkpointed))]) {
      f().forEach((actual, i) => expectClose(actual, expected[i], CLOSE));
    }
    tf.dispose(weights);
  });

  it("is differentiated again as the function is", () => {
    const x = numbers([3], 1);
    const second = (wrap: (layer: Layer) => Layer) => {
      const f = wrap((v) => tf.mul(tf.sin(v), tf.exp(v)));
      return tf.grad((v: tf.Tensor) => tf.sum(tf.grad((u: tf.Tensor) => tf.sum(f(u)))(v)))(x);
    };
    expectClose(jit(() => second(checkpointed))(), second(plain), CLOSE);
  });

  it("takes and returns trees", () => {
    const f = checkpoint((p: { a: tf.Tensor; n: number }, ids: tf.Tensor) => ({
      sum: tf.add(p.a, p.n),
      list: [tf.cast(ids, "float32"), "kept"] as const,
    }));
    const x = tf.tensor1d([1, 2]);
    const [sum, grad] = jit(() => {
      const { value, grad } = tf.valueAndGrad((a: tf.Tensor) => {
        const out = f({ a, n: 3 }, tf.tensor1d([4, 5], "int32"));
        expect(out.list[1]).toBe("kept");
        return tf.sum(tf.mul(out.sum, out.list[0]));
      })(x);
      return [value, grad];
    })();
    expectClose(sum, 4 * 4 + 5 * 5, CLOSE);
    expectClose(grad, [4, 5], CLOSE);
  });

  it("holds the layers' inputs and the inside of one layer, not of all", async () => {
    const [width, rows, numLayers] = [512, 64, 12];
    const weights = Array.from({ length: numLayers }, (_, i) => numbers([8, width], i));
    const x = numbers([rows, 8], 1);
    const scratch = (wrap: (layer: Layer) => Layer) => scratchBytes(() => tf.grad(deep(wrap, weights))(x));
    const inside = rows * width * 4;
    expect(await scratch(plain)).toBeGreaterThan(numLayers * inside);
    expect(await scratch(checkpointed)).toBeLessThan(6 * inside);
  });

  it("leaves no tensors and no buffers behind", () => {
    const weights = [1, 2].map((phase) => numbers([4, 8], phase));
    const x = numbers([2, 4], 4);
    const f = () => tf.grad(deep(checkpointed, weights))(x);
    const state = () => [tf.memory().numTensors, tf.memory().numDataBuffers, backend.device.client.liveBuffers];
    f().dataSync();
    const before = state();
    const gradient = f();
    gradient.dataSync();
    gradient.dispose();
    expect(state()).toEqual(before);
  });

  it("is the function itself on another backend", async () => {
    await tf.setBackend("cpu");
    expectClose(tf.grad(checkpoint((x: tf.Tensor) => tf.square(x)))(tf.tensor1d([3, 4])), [6, 8], CLOSE);
  });
});
