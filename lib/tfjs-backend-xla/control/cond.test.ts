import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { cond, scan } from "../index";
import { EXACT } from "../testing";
import { expectSame, numbers } from "../testing/three-ways";

beforeEach(async () => void (await tf.setBackend("xla")));

describe("cond", () => {
  it("gives what the chosen function gives", async () => {
    await expectSame(
      () =>
        [1, -1].flatMap((sign) => {
          const x = tf.tensor1d([sign, 2]);
          const shift = tf.scalar(10);
          const out = cond(
            tf.greater(tf.sum(tf.slice(x, 0, 1)), 0),
            (v: tf.Tensor, n: number) => ({ y: tf.mul(tf.add(v, shift), n), note: "same" }),
            (v, n) => ({ y: tf.sub(v, n), note: "same" }),
            x,
            3,
          );
          expect(out.note).toBe("same");
          return [out.y];
        }),
      EXACT,
    );
  });

  it("has the gradients of the chosen function, for what both close over too", async () => {
    await expectSame(() => {
      const w = tf.variable(numbers([3], 1));
      const only = tf.variable(tf.scalar(0.5));
      const gradients = [1, -1].flatMap((sign) => {
        const x = tf.mul(tf.square(numbers([3], 2)), sign);
        const loss = (v: tf.Tensor) => {
          const hidden = tf.mul(v, w);
          const chosen = cond(tf.greater(tf.sum(v), 0), () => tf.mul(tf.sin(hidden), only), () => tf.exp(tf.mul(hidden, v))); // prettier-ignore
          return tf.sum<tf.Scalar>(tf.mul(chosen, v));
        };
        const { grads } = tf.variableGrads(() => tf.add(loss(x), tf.mul(only, 0)), [w, only]);
        return [tf.grad(loss)(x), grads[w.name], grads[only.name]];
      });
      tf.dispose([w, only]);
      return gradients;
    });
  });

  it("works in the steps of a scan, with gradients", async () => {
    await expectSame(() => {
      const f = (c: tf.Tensor, xs: tf.Tensor) =>
        scan(
          (sum, x) => [
            cond(
              tf.greater(x, 0),
              (a: tf.Tensor, b: tf.Tensor) => tf.mul(a, b),
              (a) => tf.sin(a),
              sum,
              x,
            ),
            sum,
          ],
          c,
          xs,
        )[0];
      return tf.grads(f)([tf.scalar(0.7), tf.tensor1d([0.5, -1, 2, -3])]);
    });
  });

  it("refuses functions that return different types, predicates that are no truth value, and second derivatives", () => {
    const [x, yes] = [tf.scalar(1), tf.scalar(true, "bool")];
    const square = (v: tf.Tensor) => tf.square(v);
    const wide = (v: tf.Tensor) => tf.mul(v, tf.ones([2]));
    expect(() => cond(yes, square, wide, x)).toThrow(
      "tensor 0 of what the second function of cond of square and wide returns is float32 [2]: it must be float32 []",
    );
    expect(() => cond(x, square, square, x)).toThrow("the predicate of cond of square and square is float32 []");
    const first = tf.grad((v: tf.Tensor) => cond(yes, square, square, v));
    expect(() => tf.grad((v: tf.Tensor) => first(v))(x)).toThrow("it can be differentiated once only");
  });
});
