import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { climb, randomTensor, useTestBackend } from "../testing";
import { rope, ropeTables } from "./rope";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };

beforeAll(useTestBackend);

test("angles are position times theta^(-2c / K)", () => {
  const { cos_LC, sin_LC } = ropeTables(5, 6, 10_000);
  const angles = [0, 1, 2, 3, 4].map((p) => [0, 1, 2].map((c) => p * 10_000 ** ((-2 * c) / 6)));
  expectClose(cos_LC, angles.map((row) => row.map(Math.cos)), CLOSE); // prettier-ignore
  expectClose(sin_LC, angles.map((row) => row.map(Math.sin)), CLOSE); // prettier-ignore
});

test("the table's error stays small at long contexts", () => {
  const { sin_LC } = ropeTables(4096, 64, 10_000);
  const last = tf.slice(sin_LC, [4095, 0], [1, 32]);
  const expected = Array.from({ length: 32 }, (_, c) => Math.sin(4095 * 10_000 ** (-c / 32)));
  // A frequency's relative rounding of 6e-8, times an angle of up to 4095, and the product's own.
  expectClose(last, [expected], { rtol: 0, atol: 5e-4 });
});

test("position 0 is left alone; the first half is paired with the second", () => {
  const tables = ropeTables(2, 4, 10_000);
  const rotated = rope(tf.tensor2d([[1, 2, 3, 4], [1, 0, 0, 0]]), tables); // prettier-ignore
  expectClose(rotated, [[1, 2, 3, 4], [Math.cos(1), 0, Math.sin(1), 0]], CLOSE); // prettier-ignore
});

test("scores depend on the distance of two positions alone", () => {
  const [length, size] = [9, 8];
  const tables = ropeTables(length, size, 10_000);
  const same = (seed: number): tf.Tensor => tf.tile(randomTensor([1, size], seed), [length, 1]);
  const scores = tf.matMul(rope(same(1), tables), rope(same(2), tables), false, true).arraySync() as number[][];
  for (let i = 1; i < length; i++) {
    for (let j = 1; j < length; j++) expectClose([scores[i][j]], [scores[i - 1][j - 1]], { rtol: 1e-4, atol: 1e-4 });
  }
});

test("lengths are kept, and the gradient turns back", () => {
  const tables = ropeTables(7, 6, 10_000);
  const [x, dy] = [randomTensor([2, 3, 7, 6], 3), randomTensor([2, 3, 7, 6], 4)];
  expectClose(tf.norm(rope(x, tables), 2, -1), tf.norm(x, 2, -1), CLOSE);
  const dx = tf.grad((t: tf.Tensor) => rope(t, tables))(x, dy);
  // <dx, x> = <dy, R x> for every x, and R dx = dy.
  expectClose(rope(dx, tables), dy, CLOSE);
});

test.each([
  [1, 2],
  [7, 6],
])("the ladder, %i positions of %i components", async (length, size) => {
  await climb({
    shapes: [[2, length, size]],
    reference: ([x]) =>
      x.map((value, i) => {
        const [component, position] = [i % size, Math.floor(i / size) % length];
        const [half, isFirst] = [size / 2, component < size / 2];
        const angle = position * 10_000 ** ((-2 * (component % half)) / size);
        const partner = isFirst ? -x[i + half] : x[i - half];
        return value * Math.cos(angle) + partner * Math.sin(angle);
      }),
    fn: ([x_BLK]) => rope(x_BLK, ropeTables(length, size, 10_000)),
  });
});
