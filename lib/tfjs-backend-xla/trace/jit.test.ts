import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { jit, type XlaBackend } from "../index";
import { expectClose } from "../testing";

const EXACT = { rtol: 0, atol: 0 };
let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

describe("a compiled function", () => {
  it("returns what the function returns, in the same tree", async () => {
    const f = jit((x: { a: tf.Tensor; b: tf.Tensor[] }, factor: number) => ({
      sum: tf.add(x.a, tf.mul(x.b[0], factor)),
      note: "kept",
      list: [x.b[1]],
    }));
    const out = f({ a: tf.tensor1d([1, 2]), b: [tf.tensor1d([10, 20]), tf.scalar(5)] }, 3);
    expect(await out.sum.data()).toEqual(Float32Array.of(31, 62));
    expect(out.note).toBe("kept");
    expect(out.list[0].dataSync()).toEqual(Float32Array.of(5));
  });

  it("is traced once for each shape, type and constant", () => {
    let traces = 0;
    const f = jit((x: tf.Tensor, factor: number) => {
      traces++;
      return tf.mul(x, factor);
    });
    for (const length of [2, 3, 2, 3]) f(tf.ones([length]), 2);
    f(tf.ones([2]), 3);
    f(tf.ones([2], "int32"), 2);
    expect(traces).toBe(4);
  });

  it("differentiates inside", () => {
    const f = jit((x: tf.Tensor) => tf.grad((y: tf.Tensor) => tf.sum(tf.mul(y, tf.square(y))))(x));
    expectClose(f(tf.tensor1d([1, 2, 3])), [3, 12, 27], { rtol: 1e-6, atol: 0 });
  });

  it("is differentiated through when called inside a gradient", () => {
    const f = jit((x: tf.Tensor) => tf.square(x));
    expectClose(tf.grad((x) => tf.sum(f(x)))(tf.tensor1d([3, 4])), [6, 8], EXACT);
  });

  it("compiles beforehand without blocking", async () => {
    let traces = 0;
    const f = jit((x: tf.Tensor) => {
      traces++;
      return tf.add(x, 1);
    });
    const x = tf.tensor1d([1]);
    await f.prepare(x);
    expectClose(f(x), [2], EXACT);
    expect(traces).toBe(1);
  });

  it("shows its program without compiling it", () => {
    const before = backend.device.programCount;
    const text = jit((x: tf.Tensor) => tf.sin(x), { name: "shown" }).lower(tf.ones([3]));
    expect(text).toMatch(/^module @shown .*"stablehlo.sine".*tensor<3xf32>/s);
    expect(backend.device.programCount).toBe(before);
  });

  it("reads closed-over tensors and variables at each call", () => {
    const fixed = tf.tensor1d([1, 2]);
    const variable = tf.variable(tf.scalar(10));
    const f = jit((x: tf.Tensor) => tf.mul(tf.add(x, fixed), variable));
    expectClose(f(tf.tensor1d([0, 0])), [10, 20], EXACT);
    variable.assign(tf.scalar(100));
    expectClose(f(tf.tensor1d([0, 0])), [100, 200], EXACT);
    fixed.dispose();
    expectClose(f(tf.tensor1d([1, 1])), [200, 300], EXACT);
  });

  it("assigns to variables when it runs, not when it is traced", async () => {
    const counter = tf.variable(tf.scalar(0));
    const f = jit(() => {
      counter.assign(tf.add(counter, 1));
      return tf.mul(counter, 10);
    });
    await f.prepare();
    expectClose(counter, 0, EXACT);
    expectClose(f(), 10, EXACT);
    expectClose(f(), 20, EXACT);
    expectClose(counter, 2, EXACT);
  });

  it("takes numbers from the host while tracing as constants", () => {
    const f = jit((x: tf.Tensor) => tf.add(tf.mul(x, tf.tensor1d([1, 2, 3])), tf.zeros([3])));
    expectClose(f(tf.tensor1d([1, 1, 1])), [1, 2, 3], EXACT);
    const table = Array.from({ length: 1000 }, (_, i) => i);
    const g = jit((x: tf.Tensor) => tf.add(x, tf.tensor1d(table)));
    expectClose(g(tf.zeros([1000])), table, EXACT);
    const tidied = jit((x: tf.Tensor) => tf.tidy(() => tf.add(x, tf.tensor1d(table))));
    expectClose(tidied(tf.zeros([1000])), table, EXACT);
  });
});

describe("static arguments", () => {
  it("are seen as they are, and another one makes another program", () => {
    let traces = 0;
    class Scale {
      constructor(readonly by: number) {}
    }
    const f = jit(
      (x: tf.Tensor, how: { f: (t: tf.Tensor) => tf.Tensor; scale: Scale }, _seeds: bigint) => {
        traces++;
        return tf.mul(how.f(x), how.scale.by);
      },
      { static: [1, 2] },
    );
    const [x, double, triple] = [tf.scalar(4), new Scale(2), new Scale(3)];
    const square = (t: tf.Tensor) => tf.square(t);
    expectClose(f(x, { f: square, scale: double }, 1n), 32, EXACT);
    expectClose(f(x, { f: square, scale: double }, 1n), 32, EXACT);
    expect(traces).toBe(1);
    expectClose(f(x, { f: square, scale: triple }, 1n), 48, EXACT);
    expectClose(f(x, { f: tf.neg, scale: triple }, 1n), -12, EXACT);
    f(x, { f: tf.neg, scale: triple }, 2n);
    expect(traces).toBe(4);
  });

  it("hold no tensors, and positions are sensible", () => {
    const f = jit((x: tf.Tensor, y: unknown) => [x, y] as unknown as tf.Tensor, { static: [1], name: "fixed" });
    expect(() => f(tf.scalar(1), { w: [tf.scalar(1)] })).toThrow(
      "static argument 1 of fixed is a tensor, or holds one",
    );
    expect(() => jit((x: tf.Tensor) => x, { static: [0], donate: [0], name: "both" })).toThrow("both: argument 0 is static, so there is nothing to donate"); // prettier-ignore
    expect(() => jit((x: tf.Tensor) => x, { donate: [-1], name: "odd" })).toThrow("odd: donate names argument -1");
  });
});

describe("donated arguments", () => {
  it("give their memory to the result", () => {
    const f = jit((state: { w: tf.Tensor }) => ({ w: tf.add(state.w, 1) }), { donate: [0] });
    let state = { w: tf.zeros([1000]) };
    state = f(state);
    const before = backend.buffersOf([state.w])[0].unsafePointer();
    const old = state.w;
    state = f(state);
    expect(backend.buffersOf([state.w])[0].unsafePointer()).toBe(before);
    expect(old.isDisposed).toBe(true);
    expect(state.w.dataSync()[999]).toBe(2);
  });

  it("that a function assigns to as variables are updated in place too", () => {
    const moment = tf.variable(tf.zeros([1000]));
    const f = jit(
      (w: tf.Tensor) => {
        moment.assign(tf.add(tf.mul(moment, 0.5), w));
        return tf.sub(w, moment);
      },
      { donate: [0] },
    );
    let w: tf.Tensor = tf.ones([1000]);
    const addresses = () => backend.buffersOf([w, moment]).map((buffer) => buffer.unsafePointer());
    w = f(w);
    const before = addresses();
    w = f(w);
    expect(addresses()).toEqual(before);
    expect([w.dataSync()[999], moment.dataSync()[999]]).toEqual([-0.5, 0.5]);
  });

  it("leave no tensors and no buffers behind", async () => {
    const f = jit((state: tf.Tensor[], x: tf.Tensor) => ({ state: state.map((t) => tf.add(t, x)), loss: tf.sum(x) }), {
      donate: [0],
    });
    const x = tf.scalar(1);
    let state: tf.Tensor[] = [tf.zeros([5]), tf.zeros([2, 2])];
    const step = () => {
      const out = f(state, x);
      state = out.state;
      out.loss.dispose();
    };
    step();
    await backend.sync();
    const [tensors, buffers] = [tf.memory().numTensors, backend.device.client.liveBuffers];
    for (let i = 0; i < 20; i++) step();
    expect(tf.memory().numTensors).toBe(tensors);
    expect(backend.device.client.liveBuffers).toBe(buffers);
  });

  it("are refused when something else shares their memory", () => {
    const f = jit((a: tf.Tensor, b: tf.Tensor) => tf.add(a, b), { donate: [0], name: "adder" });
    const x = tf.tensor1d([1, 2]);
    expect(() => f(x, x)).toThrow(
      "adder: a tensor of shape [2] cannot be donated: it is passed to the function, or closed over, more than once",
    );
    const clone = tf.clone(x);
    expect(() => f(x, tf.tensor1d([1, 1]))).toThrow("other tensors (clones or variables) share its memory");
    expectClose(clone, [1, 2], EXACT);
  });

  it("are used first by what was recorded from them", () => {
    const f = jit((a: tf.Tensor) => tf.add(a, 1), { donate: [0] });
    const x = tf.tensor1d([1, 2]);
    const unread = tf.mul(x, 10);
    const reshaped = tf.reshape(x, [2, 1]);
    expectClose(f(x), [2, 3], EXACT);
    expectClose(reshaped, [[1], [2]], EXACT);
    expectClose(unread, [10, 20], EXACT);
  });
});

describe("memory that a program overwrites", () => {
  it("is kept for reads under way", async () => {
    const f = jit((a: tf.Tensor) => tf.add(a, 1), { donate: [0] });
    const x = tf.tensor1d([1, 2]);
    const y = tf.mul(x, 10);
    const gone = tf.mul(x, 100);
    const reads = [y.data(), gone.data(), x.data()];
    gone.dispose();
    expectClose(f(x), [2, 3], EXACT);
    expect(await Promise.all(reads)).toEqual([
      Float32Array.of(10, 20),
      Float32Array.of(100, 200),
      Float32Array.of(1, 2),
    ]);
  });

  it("may be a reshape's own", () => {
    const f = jit((a: tf.Tensor) => tf.add(a, 1), { donate: [0] });
    const x = tf.tensor1d([1, 2]);
    expectClose(f(tf.reshape(x, [2, 1])), [[2], [3]], EXACT);
    expectClose(x, [1, 2], EXACT);
  });

  it("leaves clones of an assigned variable, what is recorded from it and reads of it as they were", async () => {
    const initial = tf.scalar(0);
    const counter = tf.variable(initial);
    const count = jit(() => counter.assign(tf.add(counter, 1)));
    count();
    await backend.sync();
    expectClose(initial, 0, EXACT);
    const buffers = backend.device.client.liveBuffers;
    const [clone, unread, read] = [tf.clone(counter), tf.mul(counter, 5), counter.data()];
    count();
    expectClose(clone, 1, EXACT);
    expectClose(unread, 5, EXACT);
    expect(await read).toEqual(Float32Array.of(1));
    expectClose(counter, 2, EXACT);
    tf.dispose([clone, unread]);
    expect(backend.device.client.liveBuffers).toBe(buffers);
  });

  it("is a copy when a variable is passed as an argument too", () => {
    const sum = tf.variable(tf.scalar(1));
    const f = jit((x: tf.Tensor) => sum.assign(tf.add(sum, x)));
    f(sum);
    f(sum);
    expectClose(sum, 4, EXACT);
  });
});

describe("variables made from one tensor", () => {
  it("are assigned to one by one, and the tensor stays what it was", () => {
    const start = tf.scalar(1);
    const [a, b] = [tf.variable(start), tf.variable(start)];
    const f = jit(() => {
      a.assign(tf.add(a, start));
      return tf.add(b, start);
    });
    f();
    expectClose(f(), 2, EXACT);
    expectClose(a, 3, EXACT);
    expectClose(b, 1, EXACT);
  });

  it("take each other's data at each call", () => {
    const [a, b] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(2))];
    const f = jit(() => {
      a.assign(b);
      return tf.mul(a, 10);
    });
    expectClose(f(), 20, EXACT);
    b.assign(tf.scalar(3));
    expectClose(f(), 30, EXACT);
    expectClose(a, 3, EXACT);
  });
});

describe("another backend", () => {
  it("made a tensor that is closed over, and can go on using it", async () => {
    await tf.setBackend("cpu");
    const fixed = tf.tensor1d([1, 2]);
    await tf.setBackend("xla");
    expectClose(jit((x: tf.Tensor) => tf.add(x, fixed))(tf.tensor1d([1, 1])), [2, 3], EXACT);
    expectClose(tf.add(fixed, 1), [2, 3], EXACT);
    expectClose(fixed, [1, 2], EXACT);
  });

  it("runs the function itself and disposes what is donated", async () => {
    await tf.setBackend("cpu");
    const f = jit((s: tf.Tensor[], x: tf.Tensor) => ({ s: [s[0], tf.add(s[1], x)] }), { donate: [0] });
    const [a, b] = [tf.scalar(1), tf.scalar(2)];
    const out = f([a, b], tf.scalar(3));
    expect([a.isDisposed, b.isDisposed]).toEqual([false, true]);
    expectClose(out.s[1], 5, EXACT);
  });
});
