import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { asCuda, climb, Draws, useTestBackend } from "../testing";
import { crossEntropyNats, meanCrossEntropyNats } from "./cross-entropy";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

/** `-log softmax` of the targets by a one-hot product, which tfjs differentiates by itself. */
function plain(logits_V: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  const vocabSize = logits_V.shape[logits_V.rank - 1];
  const hot_V = tf.cast(tf.oneHot(targets, vocabSize), "float32");
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits_V), hot_V), -1));
}

test.each([[[5]], [[2, 3]]])("value and gradients equal -log softmax, targets of shape %j", (shape) => {
  const draws = new Draws(1);
  const vocabSize = 7;
  const count = tf.util.sizeFromShape(shape);
  const logits_V = tf.tensor(draws.many(count * vocabSize, () => 2 * draws.normal()), [...shape, vocabSize], "float32"); // prettier-ignore
  const targets = tf.tensor(draws.many(count, () => draws.integer(vocabSize)), shape, "int32"); // prettier-ignore
  const dy = tf.tensor(draws.many(count, () => draws.normal()), shape, "float32"); // prettier-ignore
  expectClose(crossEntropyNats(logits_V, targets), plain(logits_V, targets), CLOSE);
  expectClose(
    tf.grad((t: tf.Tensor) => crossEntropyNats(t, targets))(logits_V, dy),
    tf.grad((t: tf.Tensor) => plain(t, targets))(logits_V, dy),
    CLOSE,
  );
  expectClose(meanCrossEntropyNats(logits_V, targets), tf.mean(plain(logits_V, targets)), CLOSE);
  expectClose(
    tf.grad((t: tf.Tensor) => meanCrossEntropyNats(t, targets))(logits_V),
    tf.grad((t: tf.Tensor) => tf.mean(plain(t, targets)))(logits_V),
    CLOSE,
  );
});

test.runIf((process.env.LORY_TEST_BACKEND ?? "xla") === "xla")("the form for GPUs gives the same", async () => {
  const draws = new Draws(2);
  const logits_RV = tf.tensor(draws.many(21, () => 2 * draws.normal()), [3, 7], "float32"); // prettier-ignore
  const targets_R = tf.tensor1d([6, 0, 3], "int32");
  const dy_R = tf.tensor1d([1, -2, 0.5]);
  const run = () => tf.valueAndGrad((t: tf.Tensor) => crossEntropyNats(t, targets_R))(logits_RV, dy_R);
  const [here, onGpu] = [run(), await asCuda(run)];
  expectClose(onGpu.value, here.value, CLOSE);
  expectClose(onGpu.grad, here.grad, CLOSE);
});

test("equal logits are log V nats, whatever their height", () => {
  for (const height of [0, 1e4, -1e4]) {
    expectClose(crossEntropyNats(tf.fill([1, 8], height), tf.tensor1d([3], "int32")), [Math.log(8)], CLOSE);
  }
});

test("logits far apart give finite losses and gradients", () => {
  const [logits_V, targets] = [tf.tensor2d([[1e4, -1e4], [1e4, -1e4]]), tf.tensor1d([0, 1], "int32")]; // prettier-ignore
  expectClose(crossEntropyNats(logits_V, targets), [0, 2e4], CLOSE);
  const grad = tf.grad((t: tf.Tensor) => crossEntropyNats(t, targets))(logits_V);
  expectClose(grad, [[0, 0], [1, -1]], CLOSE); // prettier-ignore
});

test.each([
  [1, 1],
  [1, 5],
  [3, 7],
])("the ladder, %i rows of %i logits", async (rows, vocabSize) => {
  const targets = Array.from({ length: rows }, (_, r) => (3 * r + 2) % vocabSize);
  await climb({
    shapes: [[rows, vocabSize]],
    reference: ([logits]) =>
      targets.map((target, r) => {
        const row = logits.subarray(r * vocabSize, (r + 1) * vocabSize);
        return Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[target];
      }),
    fn: ([logits_RV]) => crossEntropyNats(logits_RV, tf.tensor1d(targets, "int32")),
  });
});
