import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import "../index";
import { jit, type XlaBackend } from "../index";
import { Client, Executable, PjrtError } from "../pjrt";
import { EXACT, expectClose } from "../testing";

let backend: XlaBackend;
beforeAll(async () => {
  process.env.XLA_CACHE_DIR = "off"; // what is loaded takes no time
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});
afterEach(() => vi.restoreAllMocks());

/** How often the event loop turns before the promise settles. */
async function turnsDuring(promise: Promise<unknown>): Promise<number> {
  let turns = 0;
  let settled = false;
  void promise.finally(() => (settled = true));
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  return turns;
}

/** A program that takes XLA a while: many different operations. */
const deep = (name: string, layers = 150) =>
  jit(
    (x: tf.Tensor) => {
      let y = x;
      for (let i = 1; i <= layers; i++) y = tf.tanh(tf.add(tf.matMul(y, tf.fill([8, 8], 1 / (8 + i))), tf.sin(y)));
      return y;
    },
    { name },
  );

const compilesNow = () => vi.spyOn(Client.prototype, "compileSync");

describe("a compiled function's first call", () => {
  it("returns before its program is compiled, and leaves the event loop free until the value is there", async () => {
    const now = compilesNow();
    const y = deep("first")(tf.fill([8, 8], 0.5));
    const z = tf.sum(y);
    expect(y.shape).toEqual([8, 8]);
    expect(await turnsDuring(z.data())).toBeGreaterThan(20);
    expect(now).not.toHaveBeenCalled();
  });

  it("is run by a blocking read too", () => {
    expect(deep("blocking", 3)(tf.zeros([8, 8])).dataSync()).toEqual(new Float32Array(64));
  });

  it("is run without being read", async () => {
    const counter = tf.variable(tf.scalar(1));
    const before = backend.device.programCount;
    jit(() => counter.assign(tf.mul(counter, 3)))();
    while (backend.device.programCount < before + 1) await new Promise((resolve) => setImmediate(resolve));
    expectClose(counter, 3, EXACT);
  });

  it("and further ones are run in order, each on what the one before left", async () => {
    const now = compilesNow();
    const state = tf.variable(tf.ones([4]));
    const step = jit((x: tf.Tensor) => {
      state.assign(tf.add(tf.mul(state, 2), x));
      return tf.sum(state);
    });
    const sums: tf.Tensor[] = [];
    for (let i = 0; i < 12; i++) sums.push(step(tf.scalar(i % 3)));
    const expected: number[] = [];
    for (let i = 0, s = 1; i < 12; i++) expected.push(Math.fround(4 * (s = Math.fround(2 * s + (i % 3)))));
    for (const [i, sum] of sums.entries()) expect((await sum.data())[0]).toBe(expected[i]);
    expect(now).not.toHaveBeenCalled();
  });

  it("gives the memory of donated arguments and assigned variables to its results, and leaves no buffer", async () => {
    const executed = vi.spyOn(Executable.prototype, "execute");
    const v = tf.tidy(() => tf.variable(tf.ones([100])));
    const x = tf.ones([100]);
    backend.buffersOf([v, x]);
    const buffers = backend.device.client.liveBuffers;
    const f = jit(
      (a: tf.Tensor) => {
        v.assign(tf.add(v, a));
        return tf.mul(a, 2);
      },
      { donate: [0] },
    );
    const y = f(x);
    expect(x.isDisposed).toBe(true);
    await backend.sync();
    expect(executed).toHaveBeenCalledTimes(1); // no copies
    expect(backend.device.client.liveBuffers).toBe(buffers);
    expectClose(y, new Array<number>(100).fill(2), EXACT);
  });

  it("leaves what was recorded before, clones and reads under way as they were", async () => {
    const initial = tf.scalar(5);
    const v = tf.variable(initial);
    const [clone, recorded, read] = [tf.clone(v), tf.mul(v, 10), v.data()];
    const f = jit(() => v.assign(tf.add(v, 1)));
    f();
    const after = tf.mul(v, 100);
    f();
    const all = tf.stack([initial, clone, recorded, after, v]);
    expectClose(all, [5, 5, 50, 600, 7], EXACT);
    expect(await read).toEqual(Float32Array.of(5));
  });

  it("is not run when nothing needs its results any more", async () => {
    const compile = vi.spyOn(Client.prototype, "compile");
    tf.dispose(jit((x: tf.Tensor) => tf.add(x, 7777))(tf.scalar(1)));
    await backend.sync();
    expect(compile).not.toHaveBeenCalled();
  });

  it("that fails has all fail that need its results, each time, and nothing else", async () => {
    vi.spyOn(Client.prototype, "compile").mockRejectedValueOnce(new PjrtError("no", "INTERNAL", "Client_Compile"));
    const v = tf.variable(tf.scalar(1));
    const y = jit(
      (x: tf.Tensor) => {
        v.assign(tf.add(v, x));
        return tf.mul(x, 12345);
      },
      { name: "failing" },
    )(tf.scalar(2));
    const z = tf.add(y, 1);
    const other = tf.add(tf.scalar(3), 4);
    await expect(z.data()).rejects.toThrow("no [INTERNAL from PJRT_Client_Compile]");
    await expect(y.data()).rejects.toThrow(PjrtError);
    expect(() => v.dataSync()).toThrow(PjrtError);
    expectClose(other, 7, EXACT);
    const next = jit((x: tf.Tensor) => tf.add(x, 54321));
    await expect(next(y).data()).rejects.toThrow(PjrtError);
    expectClose(next(tf.scalar(0)), 54321, EXACT);
    tf.dispose([y, z, v]);
    await backend.sync();
  });
});

describe("a read", () => {
  it("leaves the event loop free while what was recorded is compiled", async () => {
    const now = compilesNow();
    let y = tf.fill([8, 8], 0.25);
    for (let i = 1; i <= 150; i++) y = tf.tanh(tf.add(tf.matMul(y, tf.fill([8, 8], 1 / (9 + i))), tf.cos(y)));
    expect(await turnsDuring(y.data())).toBeGreaterThan(20);
    expect(now).not.toHaveBeenCalled();
  });
});
