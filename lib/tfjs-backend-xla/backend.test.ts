import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import "./index";
import type { XlaBackend } from "./index";
import { expectClose } from "./testing";

const EXACT = { rtol: 0, atol: 0 };
let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

const buffers = () => backend.device.client.liveBuffers;

describe("recorded computation", () => {
  it("computes a chain as one program, and the same chain again with that program", () => {
    const chain = (start: number) => {
      let x: tf.Tensor = tf.tensor1d([start, 2]);
      for (let i = 0; i < 20; i++) x = tf.add(tf.mul(x, 0.5), 1);
      return x.dataSync();
    };
    chain(1);
    const compiled = backend.device.programCount;
    chain(5);
    expect(backend.device.programCount).toBe(compiled);
  });

  it("keeps what tensors hold on the way, so that nothing is computed twice", () => {
    const a = tf.exp(tf.tensor1d([1, 2]));
    const b = tf.mul(a, 2);
    b.dataSync();
    const compiled = backend.device.programCount;
    expectClose(a, [Math.exp(1), Math.exp(2)], { rtol: 1e-6, atol: 0 });
    expect(backend.device.programCount).toBe(compiled);
  });

  it("reads asynchronously while tensors are disposed and read elsewhere", async () => {
    const a = tf.tensor1d([1, 2, 3]);
    const b = tf.mul(a, 7);
    const c = tf.add(b, 1);
    const first = c.data();
    const second = b.data();
    tf.dispose([a, b, c]);
    expect(await first).toEqual(Float32Array.of(8, 15, 22));
    expect(await second).toEqual(Float32Array.of(7, 14, 21));
  });

  it("computes what has piled up instead of recording without end", () => {
    let x: tf.Tensor = tf.scalar(0);
    const kept: tf.Tensor[] = [];
    for (let i = 0; i < 5000; i++) kept.push((x = tf.add(x, 1)));
    expect(x.dataSync()[0]).toBe(5000);
    tf.dispose(kept);
  });

  it("returns copies of host data", () => {
    const t = tf.tensor1d([1, 2]);
    t.dataSync()[0] = 99;
    expectClose(t, [1, 2], EXACT);
  });
});

describe("memory", () => {
  it("frees a buffer when the last tensor that needs it goes, computed or not", () => {
    const start = buffers();
    const a = tf.tensor1d([1, 2, 3]);
    const b = tf.mul(a, 2);
    b.dataSync();
    expect(buffers()).toBe(start + 2);
    const c = tf.add(a, b);
    a.dispose();
    b.dispose();
    expect(buffers()).toBe(start + 2); // c is still to be computed from them
    c.dataSync();
    expect(buffers()).toBe(start + 1);
    c.dispose();
    expect(buffers()).toBe(start);
  });

  it("frees what an unread tensor would have been computed from", () => {
    const start = buffers();
    const a = tf.tensor1d([1, 2, 3]);
    tf.add(a, 1).dataSync();
    const unread = tf.exp(a);
    a.dispose();
    unread.dispose();
    expect(buffers()).toBe(start + 1); // the sum, which was never disposed
  });

  it("stays flat over tidied steps", () => {
    const w = tf.variable(tf.ones([10, 10]));
    const step = () =>
      tf.tidy(() => w.assign(tf.sub(w, tf.mul(tf.grad((x: tf.Tensor) => tf.sum(tf.square(x)))(w), 0.1))));
    const settle = () => {
      step();
      w.dataSync();
    };
    settle();
    settle();
    const [start, tensors] = [buffers(), tf.memory().numTensors];
    for (let i = 0; i < 10; i++) settle();
    expect(buffers()).toBe(start);
    expect(tf.memory().numTensors).toBe(tensors);
    w.dispose();
  });

  it("moves tensors between backends", async () => {
    const a = tf.add(tf.tensor1d([1, 2]), 1);
    await tf.setBackend("cpu");
    const b = tf.mul(a, 2);
    expectClose(b, [4, 6], EXACT);
    await tf.setBackend("xla");
    expectClose(tf.add(b, a), [6, 9], EXACT);
  });
});
