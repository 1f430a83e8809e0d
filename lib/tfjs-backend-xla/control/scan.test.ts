import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { jit, scan, type XlaBackend } from "../index";
import { EXACT, expectClose } from "../testing";
import { CLOSE, expectSame, numbers } from "../testing/three-ways";

let backend: XlaBackend;

beforeEach(async () => {
  await tf.setBackend("xla");
  backend = tf.backend() as XlaBackend;
});

/** h' = tanh(h w + x), y = h' summed: a small recurrent network. */
const recurrent = (w: tf.Tensor) => (h: tf.Tensor, x: tf.Tensor) => {
  const next = tf.tanh(tf.add(tf.matMul(h as tf.Tensor2D, w as tf.Tensor2D), x));
  return [next, tf.sum(next)] as const;
};

describe("scan", () => {
  it("carries a state along the first axis and stacks what each step gives", async () => {
    await expectSame(() => {
      const [last, ys] = scan(recurrent(numbers([3, 3], 1)), numbers([2, 3], 2), numbers([5, 2, 3], 3));
      return [last, ys];
    });
  });

  it("takes trees, whole numbers, booleans and constants", async () => {
    await expectSame(() => {
      const xs = { ids: tf.tensor1d([3, 1, 2], "int32"), flags: tf.tensor1d([1, 0, 1], "bool"), scale: 2 };
      const [last, ys] = scan(
        (carry, x) => {
          const count = tf.add(carry.count, x.ids);
          return [{ count, any: tf.logicalOr(carry.any, x.flags) }, [tf.mul(count, x.scale), x.flags]];
        },
        { count: tf.scalar(10, "int32"), any: tf.scalar(false, "bool") },
        xs,
      );
      return [last.count, last.any, ...ys];
    }, EXACT);
  });

  it("goes backwards, and without sequences", async () => {
    await expectSame(() => {
      const [last, ys] = scan(
        (c: tf.Tensor, x: tf.Tensor) => [tf.add(tf.mul(c, 2), x), c],
        tf.scalar(0),
        tf.range(0, 4),
        {
          reverse: true,
        },
      );
      const [doubled, none] = scan((c) => [tf.mul(c, 2), null], tf.scalar(1), null, { length: 10 });
      expect(none).toBe(null);
      return [last, ys, doubled];
    }, EXACT);
  });

  it("reads variables and tensors from outside, large constants too", async () => {
    const table = Array.from({ length: 200 }, (_, i) => i / 100);
    await expectSame(() =>
      tf.tidy(() => {
        const shift = tf.variable(tf.scalar(0.5));
        const factor = tf.scalar(3);
        const [last] = scan(
          (c, x) => {
            const constant = tf.tidy(() => tf.sum(tf.tensor1d(table)));
            return [tf.add(tf.mul(c, factor), tf.add(tf.mul(x, shift), constant)), null];
          },
          tf.scalar(1),
          tf.tensor1d([1, 2]),
        );
        shift.dispose();
        return [last];
      }),
    );
  });

  it("nests", async () => {
    await expectSame(() => {
      const w = numbers([4], 1);
      const [last, ys] = scan(
        (outer, row) => {
          const [inner, steps] = scan((c, x) => [tf.add(tf.mul(c, x), outer), tf.mul(c, w)], tf.scalar(1), row);
          return [tf.add(outer, inner), steps];
        },
        tf.scalar(0.1),
        numbers([3, 2], 2),
      );
      return [last, ys];
    });
  });

  it("has one program for each length, not larger for a longer one", async () => {
    const compile = vi.spyOn(backend.device, "compileAsync");
    const f = jit((x_L: tf.Tensor) =>
      tf.grad((x: tf.Tensor) => scan((c, v) => [tf.sin(tf.mul(c, v)), null], tf.scalar(1), x)[0])(x_L),
    );
    for (const length of [10, 1000]) await f.prepare(tf.ones([length]));
    const [short, long] = compile.mock.calls.map(([module]) => module.split("\n").length);
    expect(long).toBe(short);
    expect(short).toBeGreaterThan(20);
    compile.mockRestore();
  });

  it("runs a loop once, whichever of its results are read", () => {
    const [last, ys] = scan((c, x) => [tf.add(c, x), tf.mul(c, x)], tf.scalar(0), tf.tensor1d([1, 2, 3]));
    const before = backend.device.programCount;
    expectClose(last, 6, EXACT);
    expectClose(ys, [0, 2, 9], EXACT);
    expect(backend.device.programCount).toBe(before + 1);
  });
});

describe("gradients of scan", () => {
  const loss = (w: tf.Tensor, h: tf.Tensor, xs: tf.Tensor): tf.Scalar => {
    const [last, ys] = scan(recurrent(w), h, xs);
    return tf.add(tf.sum(tf.square(last)), tf.sum(tf.mul(ys, ys)));
  };

  it("flow to the carry, to the sequences and to what is closed over", async () => {
    await expectSame(() => tf.grads(loss)([numbers([3, 3], 1), numbers([2, 3], 2), numbers([5, 2, 3], 3)]));
  });

  it("flow through a reversed scan and through unused results", async () => {
    await expectSame(() => {
      const f = (x: tf.Tensor, w: tf.Tensor) =>
        scan(
          (c: tf.Tensor, v: tf.Tensor) => [tf.mul(tf.add(c, v), w), [tf.exp(c), tf.cast(v, "int32")]],
          tf.scalar(0.3),
          x,
          {
            reverse: true,
          },
        )[0];
      return tf.grads(f)([numbers([4], 1), tf.scalar(0.7)]);
    });
  });

  it("flow to variables and to tensors computed on the way", async () => {
    await expectSame(() => {
      const w = tf.variable(numbers([3], 1), true);
      const { value, grads } = tf.variableGrads(() => {
        const hidden = tf.mul(tf.square(w), 2);
        return tf.sum(scan((c, x) => [tf.add(tf.mul(c, hidden), tf.mul(x, w)), null], tf.ones([3]), tf.range(0, 3))[0]);
      }, [w]);
      const result = [value, grads[w.name]];
      w.dispose();
      return result;
    });
  });

  it("flow to what is closed over through clones of it alone", async () => {
    await expectSame(() => {
      const f = (w: tf.Tensor) =>
        scan(
          (c: tf.Tensor, x) => {
            const cloned = tf.clone(w);
            return [tf.add(tf.mul(c, cloned), tf.mul(tf.clone(cloned), x)), null];
          },
          tf.scalar(1),
          tf.tensor1d([1, 2, 3]),
        )[0];
      return [tf.grad(f)(tf.scalar(0.5))];
    });
  });

  it("read what is kept of the inside instead of computing it again, if asked to", async () => {
    const gradients = (keep: "carries" | "all") => () => {
      const w = numbers([3, 3], 1);
      const f = (h: tf.Tensor, xs: tf.Tensor, v: tf.Tensor) => {
        const [last, ys] = scan(recurrent(tf.mul(w, v)), h, xs, { keep, reverse: true });
        return tf.add(tf.sum(tf.square(last)), tf.sum(tf.mul(ys, ys)));
      };
      return tf.grads(f)([numbers([2, 3], 2), numbers([5, 2, 3], 3), tf.scalar(0.9)]);
    };
    await expectSame(gradients("all"));
    const numTanh = (keep: "carries" | "all") =>
      jit(gradients(keep))
        .lower()!
        .match(/stablehlo\.tanh/g)!.length;
    expect([numTanh("carries"), numTanh("all")]).toEqual([2, 1]);
  });

  it("flow through nested scans, and through gradients inside of a step", async () => {
    await expectSame(() => {
      const f = (rows: tf.Tensor, w: tf.Tensor) =>
        scan(
          (outer, row) => {
            const [inner] = scan((c, x) => [tf.sin(tf.add(tf.mul(c, w), tf.mul(x, outer))), null], outer, row);
            return [tf.add(inner, tf.grad((v: tf.Tensor) => tf.mul(tf.sin(v), w))(inner)), null];
          },
          tf.scalar(0.1),
          rows,
        )[0];
      return tf.grads(f)([numbers([3, 2], 2), tf.scalar(0.8)]);
    });
  });

  it("can be differentiated again, and again", async () => {
    await expectSame(() => {
      const cubic = (w: tf.Tensor) =>
        scan((c, x) => [tf.mul(tf.mul(c, w), x), null], tf.scalar(1), tf.tensor1d([1, 2, 3]))[0];
      const first = tf.grad(cubic);
      const second = tf.grad((w: tf.Tensor) => first(w));
      const third = tf.grad((w: tf.Tensor) => second(w));
      const w = tf.scalar(0.5);
      const hessian = tf.grads((a: tf.Tensor, b: tf.Tensor) =>
        tf.sum(tf.square(tf.grads(loss)([a, numbers([2, 3], 2), b])[0])),
      )([numbers([3, 3], 1), numbers([5, 2, 3], 3)]);
      return [first(w), second(w), third(w), ...hessian];
    });
  });

  it("draw a step's random numbers once", () => {
    const x = tf.tensor1d([1, 2, 3]);
    const [y, dx] = jit((xs: tf.Tensor) => {
      const { value, grad } = tf.valueAndGrad((v: tf.Tensor) =>
        tf.sum(scan((c, each) => [c, tf.mul(each, tf.randomUniform([]))], tf.scalar(0), v)[1]),
      )(xs);
      return [value, grad];
    })(x);
    expectClose(tf.sum(tf.mul(dx, x)), tf.reshape(y, []), CLOSE);
  });

  it("leave no tensors and no buffers behind", () => {
    const args = [numbers([3, 3], 1), numbers([2, 3], 2), numbers([5, 2, 3], 3)];
    for (const run of [jit(() => tf.grads(loss)(args)), () => tf.grads(loss)(args)]) {
      const step = () => {
        const gradients = run();
        for (const gradient of gradients) gradient.dataSync();
        tf.dispose(gradients);
        return [tf.memory().numTensors, tf.memory().numDataBuffers, backend.device.client.liveBuffers];
      };
      const first = step();
      expect(step()).toEqual(first);
    }
  });
});

describe("scan refuses", () => {
  const xs = () => tf.zeros([3]);

  it.each<[string, () => unknown]>([
    [
      "tensor 0 of the next carry of adder is float32 [3]: it must be float32 []",
      () => scan((c) => [tf.add(c, tf.ones([3])), null], tf.scalar(0), xs(), { name: "adder" }),
    ],
    [
      "the next carry of adder is the tree [*,*]: it must be *",
      () => scan((c) => [[c, c] as unknown as tf.Tensor, null], tf.scalar(0), xs(), { name: "adder" }),
    ],
    [
      "adder: xs differ in length (first axes 3, 4, length not given)",
      () => scan((c) => [c, null], tf.scalar(0), [xs(), tf.zeros([4])], { name: "adder" }),
    ],
    ["adder: the number of steps is not known", () => scan((c) => [c, null], tf.scalar(0), null, { name: "adder" })],
    ["adder: there is no step to take", () => scan((c) => [c, null], tf.scalar(0), tf.zeros([0]), { name: "adder" })],
    [
      "a value was read while adder was being traced",
      () => scan((c) => [tf.scalar(c.dataSync()[0]), null], tf.scalar(0), xs(), { name: "adder" }),
    ],
  ])("%s", (message, run) => {
    const state = () => [tf.memory().numTensors, backend.device.client.liveBuffers];
    tf.tidy(() => {
      expect(run).toThrow(message);
      expect(run).toThrow(message);
    });
    const before = state();
    tf.tidy(() => void expect(run).toThrow(message));
    expect(state()).toEqual(before);
  });

  it("a step that assigns to a variable, which keeps its value", () => {
    const counter = tf.variable(tf.scalar(7), true, "counter");
    const run = () =>
      scan((c) => (counter.assign(tf.add(counter, 1)), [c, null] as const), tf.scalar(0), xs(), { name: "adder" });
    expect(run).toThrow("adder creates, assigns or disposes of the variable counter");
    expectClose(counter, 7, EXACT);
    counter.dispose();
  });
});
