import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, test } from "vitest";
import { useTestBackend } from "../testing";
import { Draws } from "../testing/draws";
import { expertDistance } from "./expert-distance";
import type { ExpertParams } from "./merge";

beforeAll(useTestBackend);

const distanceOf = jit((experts: ExpertParams) => expertDistance(experts));

/** Experts with the given numbers, of 2 x 2 and 1 x 2 parameters. */
function bank(experts: readonly (readonly number[])[]): ExpertParams {
  const rows = (from: number, to: number): number[] => experts.flatMap((each) => each.slice(from, to));
  return {
    gateUp_EDG: tf.tensor3d(rows(0, 4), [experts.length, 2, 2]),
    down_EFD: tf.tensor3d(rows(4, 6), [experts.length, 1, 2]),
  };
}

test("is that of all pairs, counted one by one in float64", () => {
  const draws = new Draws(3);
  const experts = Array.from({ length: 5 }, () => draws.many(6, () => draws.normal()));
  const square = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  const pairs = experts.flatMap((a, i) => experts.slice(i + 1).map((b) => square(a, b)));
  const norms = experts.map((each) => square(each, [0, 0, 0, 0, 0, 0]));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expectClose(distanceOf(bank(experts)), Math.sqrt(mean(pairs) / (2 * mean(norms))), { rtol: 1e-6, atol: 0 });
});

test("is 0 exactly for equal experts, however many and whatever they hold, and for one", () => {
  const expert = [0.1, -0.7, 1e-3, 12.3, -4.5, 1 / 3];
  for (const count of [1, 3, 7, 8]) {
    expectClose(distanceOf(bank(Array.from({ length: count }, () => expert))), 0, EXACT);
  }
});

test("is 1 for orthogonal experts of one norm", () => {
  const experts = Array.from({ length: 3 }, (_, e) => Array.from({ length: 6 }, (__, i) => (i === e ? 2 : 0)));
  expectClose(distanceOf(bank(experts)), 1, { rtol: 1e-6, atol: 0 });
});
