import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { keptWeights } from "./kept-experts";

beforeAll(async () => void (await tf.setBackend("cpu")));

const weights = (): tf.Tensor3D => tf.tensor3d([[[0.5, 0.125, 0.25, 0.125]], [[0.25, 0.25, 0.25, 0.25]]]);

describe("kept experts", () => {
  it("are those of the highest weights, equal ones in order of index", () => {
    const kept = keptWeights(weights(), { count: 2, renormalize: false });
    expectClose(kept, [[[0.5, 0, 0.25, 0]], [[0.25, 0.25, 0, 0]]], EXACT);
    const average = keptWeights(weights(), { count: 2, renormalize: true });
    expectClose(average, [[[2 / 3, 0, 1 / 3, 0]], [[0.5, 0.5, 0, 0]]], { rtol: 1e-6, atol: 0 });
  });

  it.each([true, false])("all of them are the weights themselves, renormalized: %s", (renormalize) => {
    const all = weights();
    expect(keptWeights(all, undefined)).toBe(all);
    expect(keptWeights(all, { count: 4, renormalize })).toBe(all);
    expect(keptWeights(all, { count: 9, renormalize })).toBe(all);
  });

  it("are a count of at least one", () => {
    for (const count of [0, -1, 1.5, NaN]) {
      expect(() => keptWeights(weights(), { count, renormalize: true })).toThrow(
        `count is ${count}: expected an integer`,
      );
    }
  });
});
