import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { tinyConfig, useTestBackend } from "../testing";
import { modelConfig } from "./config";
import { initParams } from "./init";
import { paramsToList } from "./params";

beforeAll(useTestBackend);

test("gains are 1, matrices are normal with the configured deviation", () => {
  const config = modelConfig({ dModel: 64, dFfn: 96, vocabSize: 200, numLayers: 1, numExperts: 4, initStd: 0.05 });
  for (const { name, tensor } of paramsToList(initParams(config, 1))) {
    if (tensor.rank === 1) {
      expectClose(tensor, tf.ones(tensor.shape), EXACT);
      continue;
    }
    const { mean, variance } = tf.moments(tensor);
    const [average, deviation] = [mean.dataSync()[0], Math.sqrt(variance.dataSync()[0])];
    // Five standard errors of either.
    expect(Math.abs(average), name).toBeLessThan((5 * 0.05) / Math.sqrt(tensor.size));
    expect(Math.abs(deviation / 0.05 - 1), name).toBeLessThan(5 / Math.sqrt(2 * tensor.size));
  }
});

test("equal seeds give equal weights, another seed or tensor others", () => {
  const config = tinyConfig();
  const [first, again, other] = [1, 1, 2].map((seed) => paramsToList(initParams(config, seed)));
  first.forEach(({ tensor }, i) => expectClose(tensor, again[i].tensor, EXACT));
  const drawn = [...first, ...other].filter(({ tensor }) => tensor.rank > 1);
  expect(new Set(drawn.map(({ tensor }) => tensor.dataSync()[0])).size).toBe(drawn.length);
});

test.each([-1, 0.5, NaN])("seed %d is refused", (seed) => {
  expect(() => initParams(tinyConfig(), seed)).toThrow(`seed is ${seed}`);
});
