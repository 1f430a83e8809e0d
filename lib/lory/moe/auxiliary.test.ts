import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { useTestBackend } from "../testing";
import { balancedBias, loadBalancingLoss, relativeLoad, routerZLoss } from "./auxiliary";
import { selectHighest } from "./selection";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

test("the load-balancing loss is 1 where load or probabilities are even, E where one expert has all", () => {
  const ofProbs = (probs: number[][], chosenBy = probs): tf.Scalar =>
    loadBalancingLoss(selectHighest(tf.tensor2d(chosenBy), 1), tf.tensor2d(probs), 1, "global_batch");
  expectClose(ofProbs([[1, 0, 0], [1, 0, 0]]), 3, CLOSE); // prettier-ignore
  expectClose(ofProbs([[1, 0], [0, 1]]), 1, CLOSE); // prettier-ignore
  expectClose(ofProbs([[0.5, 0.5], [0.5, 0.5]]), 1, CLOSE); // prettier-ignore
  // Shares 2/3 and 1/3, mean probabilities 0.6 and 0.4: 2 (2/3 0.6 + 1/3 0.4).
  expectClose(ofProbs([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]), 16 / 15, CLOSE); // prettier-ignore
});

test("what is balanced over the batch may be uneven in each sequence", () => {
  const probs = tf.tensor2d([[1, 0], [1, 0], [0, 1], [0, 1]]); // prettier-ignore
  const chosen = selectHighest(probs, 1);
  expectClose(loadBalancingLoss(chosen, probs, 2, "global_batch"), 1, CLOSE);
  expectClose(loadBalancingLoss(chosen, probs, 2, "sequence"), 2, CLOSE);
});

test("the z loss is the mean square of the logarithm of the sum, also of logits that overflow", () => {
  expectClose(routerZLoss(tf.tensor2d([[0, 0], [Math.log(3), Math.log(5)]])), (Math.log(2) ** 2 + Math.log(8) ** 2) / 2, CLOSE); // prettier-ignore
  expectClose(routerZLoss(tf.tensor2d([[200, 0]])), 40_000, CLOSE);
});

test("the bias rises for experts below their share, falls above it, and stays at it", () => {
  const load_E = tf.tensor1d([2, 0, 1]);
  expectClose(relativeLoad(load_E), [2, 0, 1], CLOSE);
  expectClose(balancedBias(tf.tensor1d([1, 1, 1]), load_E, 0.25), [0.75, 1.25, 1], EXACT);
});
