import { describe, expect, it } from "vitest";
import type { RunConfigInput } from "../train";
import { configPath, flatConfig, withSettings } from "./config-keys";
import { sweepFromJson, sweepPoints } from "./sweep-points";

const base: RunConfigInput = {
  name: "sweep",
  model: { preset: "1m-8e", contextLength: 32, segmentLength: 8 },
  batchSize: 4,
  trainTokens: 1000,
  optimizer: { learningRate: 1e-3 },
};

describe("keys of a configuration", () => {
  it("are found by their path, or without their part", () => {
    expect(["seed", "numExperts", "model.preset", "learningRate"].map(configPath)).toEqual([
      ...["seed", "model.numExperts", "model.preset", "optimizer.learningRate"],
    ]);
  });

  it.each(["numExpert", "model.experts", "optimizer.lr", "optimiser.learningRate", "model", ""])(
    "%s is refused",
    (key) => expect(() => configPath(key)).toThrow(/has no key ".*": did you mean "/),
  );

  it("are set without a change of the others", () => {
    const changed = withSettings(base, { numExperts: 4, "model.dModel": 64, batchSize: 2 });
    expect(changed).toEqual({ ...base, batchSize: 2, model: { ...base.model, numExperts: 4, dModel: 64 } });
    expect(base.batchSize).toBe(4);
  });

  it("are one list, whatever part they are of", () => {
    expect(flatConfig({ name: "a", model: { dModel: 8, denseLayers: [0] } })).toEqual({
      name: "a",
      "model.dModel": 8,
      "model.denseLayers": [0],
    });
  });
});

describe("the trainings of a sweep", () => {
  it("are all combinations, for one seed after the other", () => {
    const points = sweepPoints({ segmentLength: [8, 16], routingMode: ["prefix", "causal_segment"] }, base, [0, 1]);
    expect(points.map(({ config }) => [config?.seed, config?.model.segmentLength, config?.model.routingMode])).toEqual(
      [0, 1].flatMap((seed) =>
        [8, 16].flatMap((length) => ["prefix", "causal_segment"].map((mode) => [seed, length, mode])),
      ),
    );
    expect(points[0].settings).toEqual({ seed: 0, segmentLength: 8, routingMode: "prefix" });
  });

  it("are those of a list, lists as values included", () => {
    const points = sweepPoints([{ numExperts: 0 }, { denseLayers: [0], seed: 7 }], { ...base, seed: 5 });
    expect(points.map(({ config }) => [config?.seed, config?.model.numExperts, config?.model.denseLayers])).toEqual([
      [5, 0, []],
      [7, 8, [0]],
    ]);
  });

  it("which cannot be say why, and leave the others alone", () => {
    const points = sweepPoints({ segmentLength: [8, 64] }, base);
    expect(points[0].config).toBeDefined();
    expect(points[1].error).toBe("segmentLength is 64, contextLength 32: a segment cannot be longer than the context");
  });

  it.each<[string, () => unknown, RegExp]>([
    ["an unknown key", () => sweepPoints({ segment_lenght: [8] }, base), /did you mean "segmentLength"/],
    ["a value that is no list", () => sweepPoints({ seed: 8 as never }, base), /seed is 8 .*: expected a list/],
    ["an empty list", () => sweepPoints({ seed: [] }, base), /the sweep is empty/],
    ["no seeds", () => sweepPoints({ numExperts: [2] }, base, []), /no seeds/],
    ["seeds twice", () => sweepPoints({ seed: [1] }, base, [2]), /give one of both/],
    ["an unknown key of a file", () => sweepFromJson({ base, gird: {} }), /no key "gird": did you mean "grid"/],
    ["a file with grid and list", () => sweepFromJson({ base, grid: {}, list: [] }), /one of "grid" and "list"/],
    ["a file without a base", () => sweepFromJson({ grid: {} }), /lacks the key "base"/],
    [
      "seeds of a file that are none",
      () => sweepFromJson({ base, grid: {}, seeds: 3 }),
      /seeds is 3 .*: expected a list/,
    ],
    ["a budget of a file", () => sweepFromJson({ base, grid: {}, budget: { hours: 1 } }), /budget has no key "hours"/],
  ])("%s is refused", (_, make, message) => expect(make).toThrow(message));
});
