import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { jit, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";

let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

describe("errors while tracing", () => {
  it("name the function, the operation and the lines when a value is read", () => {
    const f = jit((x: tf.Tensor) => tf.scalar(tf.exp(x).dataSync()[0]), { name: "reader" });
    expect(() => f(tf.scalar(1))).toThrow(
      /a value was read while reader was being traced \(at .*jit-errors\.test\.ts:\d+:\d+; it was made by Exp at .*jit-errors\.test\.ts:\d+:\d+\)/,
    );
    expectClose(tf.add(tf.scalar(1), 1), 2, EXACT);
  });

  it("leave variables and memory as they were when the function throws", () => {
    const variable = tf.variable(tf.scalar(5));
    const [buffers, tensors] = [backend.device.client.liveBuffers, tf.memory().numTensors];
    const f = jit((x: tf.Tensor) => {
      variable.assign(tf.add(x, variable));
      tf.add(x, tf.tensor1d(Array.from({ length: 500 }, (_, i) => i)));
      throw new Error("as planned");
    });
    const x = tf.scalar(1);
    expect(() => f(x)).toThrow("as planned");
    expectClose(variable, 5, EXACT);
    x.dispose();
    expect([backend.device.client.liveBuffers - buffers, tf.memory().numTensors - tensors]).toEqual([0, 0]);
  });

  it("say that a variable is gone", () => {
    const variable = tf.variable(tf.scalar(5), true, "shortLived");
    const f = jit((x: tf.Tensor) => tf.add(x, variable), { name: "adder" });
    f(tf.scalar(1));
    variable.dispose();
    expect(() => f(tf.scalar(1))).toThrow("adder uses the variable shortLived, which has been disposed");
  });

  it("refuse to dispose of variables, which go on living", () => {
    const [a, b] = [5, 6].map((n) => tf.variable<tf.Rank>(tf.scalar(n), true, `kept${n}`));
    const tensors = tf.memory().numTensors;
    const f = jit(
      (x: tf.Tensor) => {
        b.assign(x);
        tf.dispose([a, b]);
        return x;
      },
      { name: "step" },
    );
    const x = tf.scalar(1);
    expect(() => f(x)).toThrow("step disposes of the variable kept5");
    expectClose(tf.stack([a, b]), [5, 6], EXACT);
    expect(tf.memory().numTensors).toBe(tensors + 2); // x and the stack
    tf.dispose([a, b]);
    expect("kept5" in tf.engine().state.registeredVariables).toBe(false);
  });

  it("refuse variables that the function creates", () => {
    const tensors = tf.memory().numTensors;
    const f = jit(() => tf.add(tf.variable(tf.scalar(0), true, "momentum"), 1), { name: "step" });
    expect(() => f()).toThrow("step creates the variable momentum");
    expect(tf.memory().numTensors).toBe(tensors);
    expect("momentum" in tf.engine().state.registeredVariables).toBe(false);
  });

  it("say that a tensor left the trace", () => {
    let leaked: tf.Tensor | undefined;
    jit(
      (x: tf.Tensor) => {
        leaked = tf.keep(tf.add(x, 1));
        return x;
      },
      { name: "leaky" },
    )(tf.scalar(1));
    const message =
      /a tensor of shape \[\] left the trace of leaky without being returned \(it was made by Add at .*jit-errors\.test\.ts:\d+:\d+\)/;
    expect(() => leaked!.dataSync()).toThrow(message);
    expect(() => tf.add(leaked!, 1)).toThrow(message);
    expect(() => jit((x: tf.Tensor) => x)(leaked!)).toThrow(message);
    expect(() => jit(() => tf.add(leaked!, 1))()).toThrow(message);
    leaked!.dispose();
  });

  it("say that a gradient left the trace", () => {
    let leaked: tf.Tensor | undefined;
    jit((x: tf.Tensor) => (leaked = tf.keep(tf.grad((v: tf.Tensor) => tf.sin(v))(x))).clone(), { name: "leaky" })(
      tf.scalar(1),
    );
    expect(() => leaked!.dataSync()).toThrow(/left the trace of leaky .*it was made by Multiply in a backward pass/);
    leaked!.dispose();
  });

  it("refuse promises, odd arguments and kernels of the host", () => {
    expect(() => jit(async (x: tf.Tensor) => Promise.resolve(x), { name: "later" })(tf.scalar(1))).toThrow(
      "later is asynchronous",
    );
    expect(() => jit((x: unknown) => x, { name: "odd" })(new Map())).toThrow("argument 0 of odd is an instance of Map");
    const words = tf.tensor1d(["b", "a"]);
    expect(() => jit(() => tf.concat([words, words]), { name: "hosted" })()).toThrow(/Concat \(at .*jit-errors\.test\.ts:\d+:\d+\) runs on the host: it cannot be part of a compiled function \(hosted\)/); // prettier-ignore
  });
});

describe("an output whose shape depends on data", () => {
  const x = () => tf.tensor1d([1, 1, 2]);

  it.each<[string, (x: tf.Tensor1D) => unknown]>([
    ["Unique", (v) => tf.unique(v).values],
    ["NonMaxSuppressionV3", (v) => tf.image.nonMaxSuppression(tf.stack([v, v, v, v], 1) as tf.Tensor2D, v, 2)],
  ])("is refused with the line: %s", (kernel, fn) => {
    expect(() => jit(fn as (v: tf.Tensor) => unknown, { name: "picky" })(x())).toThrow(
      new RegExp(
        `^${kernel} \\(at .*jit-errors\\.test\\.ts:\\d+:\\d+\\) runs on the host, since the shape of what it returns depends on data`,
      ),
    );
  });

  it("is refused of functions that read to find it", () => {
    const mask = tf.tensor1d([1, 0, 1], "bool");
    expect(() => jit((m: tf.Tensor) => tf.whereAsync(m), { name: "where" })(mask)).toThrow("where is asynchronous");
  });
});

describe("a tensor that is gone", () => {
  it("says to whom it was donated", () => {
    const step = jit((x: tf.Tensor) => tf.add(x, 1), { donate: [0], name: "step" });
    const x = tf.tensor1d([1, 2]);
    const y = step(x);
    const message =
      /a tensor of shape \[2\] was used after it was donated to step at .*jit-errors\.test\.ts:\d+:\d+: use what that returned/;
    expect(() => x.dataSync()).toThrow(message);
    expect(() => tf.add(x, 1)).toThrow(message);
    expect(() => step(x)).toThrow(message);
    expect(() => tf.square(x)).toThrow(message);
    expectClose(y, [2, 3], EXACT);
  });

  it("says that it was disposed of", () => {
    const x = tf.tensor1d([1, 2]);
    x.dispose();
    const step = jit((v: tf.Tensor) => tf.add(v, 1));
    for (const use of [() => tf.neg(x), () => step(x)])
      expect(use).toThrow("a tensor of shape [2] was used after it was disposed of");
  });
});

describe("a function that is traced over and over", () => {
  const warnings = (calls: () => void): string[] => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    calls();
    const said = warn.mock.calls.map(([message]) => String(message));
    warn.mockRestore();
    return said;
  };

  it("says once what changed", async () => {
    const learn = jit((x: tf.Tensor, { rate }: { rate: number }) => tf.mul(x, rate), { name: "learn" });
    const x = tf.scalar(1);
    const said = warnings(() => {
      for (let i = 1; i <= 20; i++) learn(x, { rate: i / 4 });
    });
    await backend.sync();
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("learn has been traced and compiled 8 times, the last time because argument 1.rate changed from 1.75 to 2"); // prettier-ignore
  });

  it.each<[string, (i: number) => readonly [unknown, unknown]]>([
    ["argument 0 changed from float32 [7, 2] to float32 [8, 2]", (i) => [tf.zeros([i, 2]), null]],
    ["argument 0[7] is new: float32 []", (i) => [Array.from({ length: i }, () => tf.scalar(0)), null]],
    ["static argument 1 changed from <function pick #", (i) => [tf.scalar(i), function pick() {}]],
  ])("names %s", (reason, args) => {
    const f = jit((_x: unknown, _how: unknown) => null, { static: [1], name: "f" });
    const said = warnings(() => {
      for (let i = 1; i <= 8; i++) f(...args(i));
    });
    expect(said[0]).toContain(`the last time because ${reason}`);
  });
});
