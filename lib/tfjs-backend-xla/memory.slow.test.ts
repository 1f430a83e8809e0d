import * as tf from "@tensorflow/tfjs-core";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { jit, type XlaBackend } from "./index";

/**
 * What each round of 2 500 steps would add if a step leaked 1 KiB, in all rounds. An allocator's occasional growth, and the code that
 * V8 compiles, are in some of them.
 */
const LEAK_BYTES = 2500 * 1024;

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

  await steps(2000);
  const rounds = [measure()];
  for (let round = 0; round < 4; round++) {
    await steps(2500);
    rounds.push(measure());
  }
  expect((await count.data())[0]).toBe(12_000);
  for (const { buffers, tensors } of rounds) expect([buffers, tensors]).toEqual([rounds[0].buffers, rounds[0].tensors]);
  const least = (of: (m: (typeof rounds)[0]) => number) =>
    Math.min(...rounds.slice(1).map((m, i) => of(m) - of(rounds[i])));
  expect(least(({ heap }) => heap)).toBeLessThan(LEAK_BYTES / 4);
  expect(least(({ rss }) => rss)).toBeLessThan(LEAK_BYTES / 4);
});
