import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { denseFfn } from "../nn";
import { randomTensor, useTestBackend } from "../testing";
import { sparseExperts } from "./dispatch";
import { selectHighest } from "./selection";

const CLOSE = { rtol: 1e-5, atol: 2e-6 };
const [D, F] = [4, 3];

beforeAll(useTestBackend);

/** Every expert on every token, and the sum by weights that are 0 but for the chosen ones. */
function everyExpert(bank: tf.Tensor[], x_XD: tf.Tensor, chosen_XKE: tf.Tensor, weights_XK: tf.Tensor): tf.Tensor {
  const weights_XE = tf.sum(tf.mul(chosen_XKE, tf.expandDims(weights_XK, 2)), 1);
  const pick = (matrices: tf.Tensor, e: number): tf.Tensor =>
    tf.squeeze(tf.slice(matrices, [e, 0, 0], [1, -1, -1]), [0]);
  const outputs = Array.from({ length: bank[0].shape[0] }, (_, e) =>
    denseFfn({ gateUp_DG: pick(bank[0], e), down_FD: pick(bank[1], e) }, x_XD),
  );
  return tf.addN(outputs.map((y_XD, e) => tf.mul(y_XD, tf.slice(weights_XE, [0, e], [-1, 1]))));
}

/** The output and the gradients by input, weights and both banks. */
const both = jit((x_XD: tf.Tensor, weights_XK: tf.Tensor, bank: tf.Tensor[], scores_XE: tf.Tensor, dy: tf.Tensor) => {
  const chosen_XKE = selectHighest(scores_XE as tf.Tensor2D, weights_XK.shape[1]!);
  const sparse = (x: tf.Tensor, weights: tf.Tensor, gateUp_EDG: tf.Tensor, down_EFD: tf.Tensor): tf.Tensor =>
    sparseExperts({ gateUp_EDG, down_EFD }, x as tf.Tensor2D, chosen_XKE, weights as tf.Tensor2D);
  const dense = (x: tf.Tensor, weights: tf.Tensor, ...banks: tf.Tensor[]): tf.Tensor =>
    everyExpert(banks, x, chosen_XKE, weights);
  return [sparse, dense].map((fn) => {
    const { value, grads } = tf.valueAndGrads(fn)([x_XD, weights_XK, ...bank], dy);
    return [value, ...grads];
  });
});

test.each([
  { tokens: 40, perToken: 2, numExperts: 4, favourite: 0 },
  { tokens: 37, perToken: 1, numExperts: 5, favourite: 0 },
  { tokens: 33, perToken: 3, numExperts: 3, favourite: 0 },
  { tokens: 1, perToken: 1, numExperts: 1, favourite: 0 },
  { tokens: 1, perToken: 2, numExperts: 9, favourite: 0 },
  { tokens: 700, perToken: 1, numExperts: 2, favourite: 0 },
  // However uneven the load: every token passes the same expert.
  { tokens: 41, perToken: 1, numExperts: 6, favourite: 100 },
  { tokens: 41, perToken: 2, numExperts: 6, favourite: 100 },
])("sends each token through its experts, forward and gradients: %j", ({ tokens, perToken, numExperts, favourite }) => {
  const bank = [randomTensor([numExperts, D, 2 * F], 1), randomTensor([numExperts, F, D], 2)];
  const lean_E = tf.mul(tf.cast(tf.equal(tf.range(0, numExperts, 1, "int32"), numExperts - 1), "float32"), favourite);
  const scores_XE = tf.add(randomTensor([tokens, numExperts], 3), lean_E);
  const [x_XD, weights_XK] = [randomTensor([tokens, D], 4), randomTensor([tokens, perToken], 5)];
  const [sparse, dense] = both(x_XD, weights_XK, bank, scores_XE, randomTensor([tokens, D], 6));
  sparse.forEach((tensor, i) => expectClose(tensor, dense[i], { ...CLOSE, atol: i < 3 ? 2e-6 : 2e-4 }));
});

test("the highest are taken in order, equal ones in order of index, with the bias", () => {
  const scores_XE = tf.tensor2d([[1, 3, 3, 2], [0, 0, 0, 0], [-1, -2, -3, -4]]); // prettier-ignore
  const taken = (bias_E?: tf.Tensor): number[][] =>
    tf.argMax(selectHighest(scores_XE, 2, bias_E), 2).arraySync() as number[][];
  expect(taken()).toEqual([[1, 2], [0, 1], [0, 1]]); // prettier-ignore
  expect(taken(tf.tensor1d([0, 0, 0, 2.5]))).toEqual([[3, 1], [3, 0], [0, 3]]); // prettier-ignore
});
