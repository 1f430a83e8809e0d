import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { climb, useTestBackend } from "../testing";
import { dropExperts } from "./expert-dropout";

const [B, E] = [3, 4];
/** With a probability of 0.5: two experts dropped, none, all. */
const UNIFORM = [[0.1, 0.9, 0.5, 0.2], [0.6, 0.7, 0.8, 0.9], [0, 0.1, 0.2, 0.3]]; // prettier-ignore

beforeAll(useTestBackend);

test("the kept weights are scaled to sum to 1; a row that would lose all keeps them", () => {
  const weights = tf.tensor3d([[[0.1, 0.2, 0.3, 0.4]], [[0.1, 0.2, 0.3, 0.4]], [[0.1, 0.2, 0.3, 0.4]]]); // prettier-ignore
  const even = [[0.1, 0.2, 0.3, 0.4]];
  expectClose(dropExperts(weights, tf.tensor2d(UNIFORM), 0.5), [[[0, 0.4, 0.6, 0]], even, even], { rtol: 1e-6, atol: 0 }); // prettier-ignore
  expectClose(dropExperts(weights, tf.tensor2d(UNIFORM), 0), weights, { rtol: 1e-6, atol: 0 });
});

test("is the softmax over the kept experts, forward and gradients", async () => {
  const isKept = UNIFORM.map((row) => (Math.max(...row) < 0.5 ? row.map(() => true) : row.map((u) => u >= 0.5)));
  await climb({
    shapes: [[B, 1, E]],
    reference: ([logits]) =>
      isKept.flatMap((row, b) => {
        const exps = row.map((kept, e) => (kept ? Math.exp(logits[b * E + e]) : 0));
        return exps.map((value) => value / exps.reduce((total, each) => total + each, 0));
      }),
    fn: ([logits]) => dropExperts(tf.softmax(logits) as tf.Tensor3D, tf.tensor2d(UNIFORM), 0.5),
  });
});
