import * as tf from "@tensorflow/tfjs-core";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { jit, type XlaBackend } from "./index";

/** What 10 000 steps may add to JavaScript's memory, and four times as much to the process's: a leak of 2 KiB a step would be 20 MiB. */
const NOISE_BYTES = 4 * 2 ** 20;

it("10 000 steps leave host and device memory flat", async () => {
  await tf.setBackend("xla");
  const backend = tf.backend() as XlaBackend;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  const w = tf.tidy(() => tf.variable(tf.ones([64, 64])));
  const step = jit(
    (state: { m: tf.Tensor }, x: tf.Tensor, count: tf.Tensor) => {
      const { value, grads } = tf.variableGrads(() => tf.mean<tf.Scalar>(tf.square(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D))), [w]); // prettier-ignore
      const m = tf.add(tf.mul(state.m, 0.9), grads[w.name]);
      w.assign(tf.sub(w, tf.mul(m, 1e-3)));
      return { state: { m }, loss: value, count: tf.add(count, 1) };
    },
    { donate: [0, 2], name: "step" },
  );
  let state: { m: tf.Tensor } = { m: tf.zeros([64, 64]) };
  let count: tf.Tensor = tf.scalar(0);
  const data = Float32Array.from({ length: 32 * 64 }, (_, i) => Math.sin(i));
  const steps = async (n: number) => {
    for (let i = 0; i < n; i++) {
      const x = tf.tensor2d(data, [32, 64]);
      const out = step(state, x, count);
      ({ state, count } = out);
      const smoothed = tf.tidy(() => tf.mul(tf.add(out.loss, 1), 0.5)); // recorded and read, beside the compiled step
      if (i % 10 === 9) await smoothed.data();
      tf.dispose([x, out.loss, smoothed]);
    }
    await backend.sync();
  };
  const measure = () => {
    collect();
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    return {
      rss,
      heap: heapUsed + external,
      buffers: backend.device.client.liveBuffers,
      tensors: tf.memory().numTensors,
    };
  };

  await steps(12_000); // allocators and compilers have then what they keep
  const before = measure();
  await steps(10_000);
  const after = measure();
  expect((await count.data())[0]).toBe(22_000);
  expect([after.buffers, after.tensors]).toEqual([before.buffers, before.tensors]);
  expect(after.heap - before.heap).toBeLessThan(NOISE_BYTES);
  expect(after.rss - before.rss).toBeLessThan(4 * NOISE_BYTES);
});
