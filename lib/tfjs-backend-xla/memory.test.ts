import * as tf from "@tensorflow/tfjs-core";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { jit, OutOfMemoryError, type XlaBackend } from "./index";
import { DeviceBuffer, Executable, PjrtError } from "./pjrt";
import { EXACT, expectClose } from "./testing";

let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

const buffers = () => backend.device.client.liveBuffers;

/** Pseudo-random whole numbers below n, the same each time. */
function numbersFrom(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * n);
  };
}

describe("device buffers", () => {
  it.each([1, 2, 3, 4])(
    "are those that live tensors need, whatever was recorded, read and disposed of (%i)",
    async (seed) => {
      const pick = numbersFrom(seed);
      const [programs, start] = [jit((x: tf.Tensor) => tf.add(x, 1), { donate: [0] }), buffers()];
      const both = jit((x: tf.Tensor, y: tf.Tensor) => [tf.sub(x, y), tf.neg(y)]);
      /** Live tensors, and the data that each has: clones have one together. */
      const live = new Map<tf.Tensor, number>();
      let data = 0;
      const add = (tensor: tf.Tensor, of = ++data) => live.set(tensor, of);
      const any = () => [...live.keys()][pick(live.size)];
      const isShared = (t: tf.Tensor) => [...live.values()].filter((of) => of === live.get(t)).length > 1;
      const actions = [
        () => add(tf.fill([3], pick(10))),
        () => add(tf.add(any(), any())),
        () => add(tf.tidy(() => tf.mul(tf.exp(tf.neg(any())), any()))),
        () => {
          const t = any();
          add(tf.clone(t), live.get(t));
        },
        () => any().dataSync(),
        () => both(any(), any()).forEach((t) => add(t)),
        () => {
          const t = any();
          if (isShared(t)) return;
          add(programs(t));
          live.delete(t);
        },
        () => {
          if (live.size < 3) return;
          const t = any();
          t.dispose();
          live.delete(t);
        },
      ];
      actions[0]();
      for (let i = 0; i < 120; i++) {
        actions[pick(actions.length)]();
        if (i % 10 !== 9) continue;
        await backend.sync();
        expect(buffers() - start).toBe(new Set(live.values()).size);
      }
      tf.dispose([...live.keys()]);
      await backend.sync();
      expect(buffers()).toBe(start);
    },
  );

  it("of tensors that were dropped go with the garbage", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const until = async (count: number) => {
      for (let i = 0; i < 100 && buffers() > count; i++) {
        collect();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return buffers();
    };
    await until(0);
    const [start, ids] = [buffers(), backend.numDataIds()];
    const base = tf.ones([100]);
    (() => {
      tf.mul(base, 3).dataSync();
      tf.exp(base); // never computed, and still in need of its operand
    })();
    base.dispose();
    expect(buffers()).toBe(start + 2);
    expect(await until(start)).toBe(start);
    expect(backend.numDataIds()).toBe(ids);
    await backend.sync();
    expect(buffers()).toBe(start);
  });
});

describe("an allocation that is refused", () => {
  const refused = async (read: () => Promise<unknown>): Promise<OutOfMemoryError> => {
    const error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(OutOfMemoryError);
    return error as OutOfMemoryError;
  };
  const exhausted = () => {
    throw new PjrtError("Out of memory allocating 123 bytes.", "RESOURCE_EXHAUSTED", "LoadedExecutable_Execute");
  };

  it("says what was asked, what is free and what holds the most, and all goes on", async () => {
    const held = [tf.ones([250, 1000]), tf.ones([250, 1000]), tf.zeros([5, 3], "int32")];
    backend.buffersOf(held);
    const huge = tf.fill([2 ** 20, 2 ** 20], 1);
    for (const read of [() => huge.data(), () => Promise.resolve().then(() => huge.dataSync())]) {
      const { message, holders, freeBytes } = await refused(read);
      expect(message).toMatch(
        /^out of memory: the program \w+ takes 0 B of arguments, 4 TiB for its results and .* of scratch, the device has/,
      );
      expect(message).toMatch(/Free: [\d.]+ [GM]iB\. \d+ live buffers take/);
      expect(freeBytes).toBeGreaterThan(0);
      expect(holders[0]).toMatchObject({ type: "f32", dims: [250, 1000], sizeBytes: holders[0].count * 1_000_000 });
      expect(message).toContain(`the largest: ${holders[0].count} of f32 [250, 1000]`);
    }
    huge.dispose();
    expectClose(tf.sum(held[2]), 0, EXACT);
    tf.dispose(held);
  });

  it("because the device is smaller leaves donated arguments as they were", async () => {
    const state = tf.tensor1d([1, 2]);
    const step = jit((s: tf.Tensor) => [tf.add(s, 1), tf.fill([2 ** 20, 2 ** 20], 1)], { donate: [0], name: "greedy" });
    await step.prepare(state);
    expect(() => step(state)).toThrow(
      /^out of memory: the program greedy takes 8 B of arguments, 4 TiB for its results/,
    );
    expectClose(state, [1, 2], EXACT);
  });

  it("by the device itself is explained with its own words", async () => {
    const x = tf.ones([4]);
    const y = tf.mul(x, 1.25);
    vi.spyOn(Executable.prototype, "execute").mockImplementationOnce(exhausted);
    expect((await refused(() => y.data())).message).toMatch(
      /^out of memory: the program recorded takes \d+ B of arguments, 16 B for its results and .*\. Out of memory allocating 123 bytes/,
    );
    vi.spyOn(DeviceBuffer.prototype, "toHost").mockImplementationOnce(() => Promise.resolve().then(exhausted));
    expect((await refused(() => y.data())).message).toMatch(
      /^out of memory: a value could not be computed or copied\./,
    );
    expectClose(y, [1.25, 1.25, 1.25, 1.25], EXACT);
    vi.restoreAllMocks();
  });

  it("is refused before XLA sees it where the number of elements overflows, which would end the process", () => {
    expect(() => tf.fill([1e6, 1e6, 1e6, 1e6], 0)).toThrow("has more elements than any memory");
  });
});
