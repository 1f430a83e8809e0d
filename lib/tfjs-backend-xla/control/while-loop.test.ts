import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { jit, scan, whileLoop, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";
import { expectSame } from "../testing/three-ways";

beforeEach(async () => void (await tf.setBackend("xla")));

describe("whileLoop", () => {
  it("goes on while its condition holds, over a tree, reading what is outside", async () => {
    await expectSame(() => {
      const [limit, factor] = [tf.scalar(100), tf.scalar(3)];
      const state = whileLoop(
        ({ x }) => tf.less(x, limit),
        ({ x, count, by }) => ({ x: tf.mul(x, factor), count: tf.add(count, tf.scalar(by, "int32")), by }),
        { x: tf.scalar(1), count: tf.scalar(0, "int32"), by: 2 },
      );
      expect(state.by).toBe(2);
      const never = whileLoop(() => tf.scalar(false, "bool"), ({ x }) => ({ x: tf.add(x, 1) }), { x: tf.scalar(5) }); // prettier-ignore
      return [state.x, state.count, never.x];
    }, EXACT);
  });

  it("nests in loops, and holds loops", async () => {
    await expectSame(() => {
      const halvings = (n: tf.Tensor) =>
        whileLoop(([x]) => tf.greater(x, 1), ([x, steps]) => [tf.div(x, 2), tf.add(steps, 1)], [n, tf.scalar(0)])[1]; // prettier-ignore
      const [total, each] = scan(
        (sum, x) => [tf.add(sum, halvings(x)), halvings(x)],
        tf.scalar(0),
        tf.tensor1d([8, 5, 1]),
      );
      return [total, each];
    }, EXACT);
  });

  it("has no gradients, and says so; what does not hang on it has", () => {
    const doubled = (x: tf.Tensor) => whileLoop((v) => tf.less(v, 10), (v) => tf.mul(v, 2), x, { name: "doubling" }); // prettier-ignore
    const x = tf.scalar(3);
    expect(() => tf.grad(doubled)(x)).toThrow(
      "doubling: the number of steps is known only when it has run, so it has no gradients: use scan",
    );
    expectClose(tf.grad((v: tf.Tensor) => tf.mul(v, doubled(tf.scalar(3))))(x), 12, EXACT);
  });

  it("refuses a condition that is no truth value and a state that changes", () => {
    const x = tf.scalar(3);
    expect(() => whileLoop((v) => v, (v) => v, x, { name: "odd" })).toThrow("the condition of odd is float32 []: it must be a bool scalar"); // prettier-ignore
    expect(() => whileLoop((v) => tf.less(v, 1), () => tf.zeros([2]), x, { name: "odd" })).toThrow("tensor 0 of the next state of odd is float32 [2]: it must be float32 []"); // prettier-ignore
  });

  it("leaves no tensors and no buffers behind", () => {
    const backend = tf.backend() as XlaBackend;
    const [x, step] = [tf.scalar(1), tf.scalar(2)];
    const run = () => whileLoop((v) => tf.less(v, tf.add(step, 50)), (v) => tf.mul(v, step), x); // prettier-ignore
    for (const f of [run, jit(run)]) {
      const state = () => {
        tf.tidy(() => expectClose(f(), 64, EXACT));
        return [tf.memory().numTensors, tf.memory().numDataBuffers, backend.device.client.liveBuffers];
      };
      state();
      expect(state()).toEqual(state());
    }
  });
});
