/** What tests of kernels compute, on tfjs's own CPU backend and on `xla`. */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { expectClose, type ShapedValues } from "../testing";

export type Draw = (...shape: number[]) => tf.Tensor;
export interface Draws {
  /** Normal numbers, none too close to 0. */
  readonly any: Draw;
  readonly positive: Draw;
  readonly ints: Draw;
  readonly bools: Draw;
}
/** Calls of one kernel through tfjs's operations; each returns what is compared with tfjs's own CPU backend. */
export type Cases = (draw: Draws) => (tf.Tensor | tf.Tensor[])[];

/** Numbers that depend on the seed alone, away from 0 and from each other's ties. */
function draws(seed: number): Draws {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const size = (shape: number[]) => shape.reduce((n, m) => n * m, 1);
  const fill = (shape: number[], value: () => number, dtype: "float32" | "int32" | "bool" = "float32") =>
    tf.tensor(Array.from({ length: size(shape) }, value), shape, dtype);
  return {
    any: (...shape) => fill(shape, () => (next() < 0.5 ? -1 : 1) * (0.1 + 2 * next())),
    positive: (...shape) => fill(shape, () => 0.1 + 2 * next()),
    ints: (...shape) => fill(shape, () => Math.floor(next() * 21) - 10, "int32"),
    bools: (...shape) => fill(shape, () => Number(next() < 0.5), "bool"),
  };
}

type Result = ShapedValues & { readonly dtype: string };
export async function results(backend: string, cases: Cases): Promise<Result[]> {
  await tf.setBackend(backend);
  return tf.tidy(() =>
    cases(draws(7))
      .flat()
      .map((t) => ({ shape: t.shape, dtype: t.dtype, values: t.dataSync() })),
  );
}

/** Computes the cases on both backends, and compares. */
export async function expectAgreement(cases: Cases): Promise<void> {
  const expected = await results("cpu", cases);
  const actual = await results("xla", cases);
  if (actual.length !== expected.length) throw new Error(`${actual.length} results: expected ${expected.length}`);
  actual.forEach((result, i) => {
    expectClose(result, expected[i], { rtol: 2e-5, atol: 2e-6 });
  });
}
