import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { randomTokens, tinyConfig, tokenTensor, useTestBackend } from "../testing";
import { initParams } from "./init";
import { forward } from "./transformer";
import { paramsToList, type Params } from "./params";
import { upcycled } from "./upcycle";

beforeAll(useTestBackend);

const experts = tinyConfig();
const denseConfig = { ...experts, numExperts: 0 };
const dense = (): Params => initParams(denseConfig, 3);
const ffnOf = (params: Params, layer = 0): Record<string, tf.Tensor> => params.layers[layer].ffn;

test("copied experts compute what the dense model does", () => {
  const source = dense();
  const model = upcycled(source, experts, { seed: 1 });
  const tokens_BL = tokenTensor(randomTokens(experts, 2, experts.contextLength, 4));
  const [mine, theirs] = [forward(model, tokens_BL, experts), forward(source, tokens_BL, denseConfig)];
  expectClose(mine.logits_BLV, theirs.logits_BLV, { rtol: 1e-5, atol: 1e-6 });
  expect(mine.routing.length).toBe(experts.numLayers);
});

test("tensors are its own, all of the model's, and equal seeds give equal ones", () => {
  const source = dense();
  const [model, again, other] = [1, 1, 2].map((seed) => upcycled(source, experts, { seed, reinitializedShare: 0.5 }));
  const names = (params: Params): string[] => paramsToList(params).map(({ name }) => name);
  expect(names(model)).toEqual(names(initParams(experts, 0)));
  tf.dispose(paramsToList(source).map(({ tensor }) => tensor));
  paramsToList(model).forEach(({ tensor }, i) => expectClose(tensor, paramsToList(again)[i].tensor, EXACT));
  expect(ffnOf(model).gateUp_EDG.dataSync()).not.toEqual(ffnOf(other).gateUp_EDG.dataSync());
});

test("of each expert, a share of the hidden units is drawn anew, in gate, up and down alike, and others in each expert", () => {
  const source = dense();
  const ffn = ffnOf(upcycled(source, experts, { seed: 5, reinitializedShare: 0.5 }));
  const [numExperts, dFfn] = ffn.down_EFD.shape;
  const { gateUp_DG, down_FD } = ffnOf(source) as { gateUp_DG: tf.Tensor; down_FD: tf.Tensor };
  const isNewDown = tf.any(tf.notEqual(ffn.down_EFD, tf.expandDims(down_FD, 0)), 2).arraySync() as number[][];
  const isNew = tf.any(tf.notEqual(ffn.gateUp_EDG, tf.expandDims(gateUp_DG, 0)), 1).arraySync() as number[][];
  for (let e = 0; e < numExperts; e++) {
    expect(isNewDown[e].reduce((sum, each) => sum + each, 0)).toBe(Math.round(dFfn / 2));
    expect(isNew[e]).toEqual([...isNewDown[e], ...isNewDown[e]]);
  }
  expect(new Set(isNewDown.map((row) => row.join())).size).toBeGreaterThan(1);
});

test("drawn anew whole, matrices keep their mean and deviation", () => {
  const config = tinyConfig({ dModel: 64, dFfn: 96, numHeads: 4 });
  const source = initParams({ ...config, numExperts: 0 }, 3);
  const shifted = tf.add(ffnOf(source).down_FD, 0.5);
  ffnOf(source).down_FD = shifted;
  const ffn = ffnOf(upcycled(source, config, { seed: 1, reinitializedShare: 1 }));
  const [was, is] = [tf.moments(shifted), tf.moments(ffn.down_EFD)];
  const deviation = Math.sqrt(was.variance.dataSync()[0]);
  // Five standard errors of each.
  expect(Math.abs(is.mean.dataSync()[0] - was.mean.dataSync()[0])).toBeLessThan((5 * deviation) / Math.sqrt(64 * 96));
  expect(Math.abs(Math.sqrt(is.variance.dataSync()[0]) / deviation - 1)).toBeLessThan(5 / Math.sqrt(2 * 64 * 96));
  expectClose(tf.any(tf.equal(ffn.down_EFD, tf.expandDims(shifted, 0))).dataSync()[0], 0, EXACT);
});

test("noise has the asked share of the copied matrix's deviation, and is another in each expert", () => {
  const config = tinyConfig({ dModel: 64, dFfn: 96, numHeads: 4 });
  const source = initParams({ ...config, numExperts: 0 }, 3);
  const noisy = ffnOf(upcycled(source, config, { seed: 1, noise: 0.25 }));
  for (const [part, copied] of [["gateUp_EDG", "gateUp_DG"] as const, ["down_EFD", "down_FD"] as const]) {
    const added = tf.sub(noisy[part], tf.expandDims(ffnOf(source)[copied], 0));
    const ratio = tf.sqrt(tf.div(tf.moments(added, [1, 2]).variance, tf.moments(ffnOf(source)[copied]).variance));
    // Six standard errors.
    expectClose(ratio, tf.fill([config.numExperts], 0.25), { rtol: 6 / Math.sqrt(2 * 64 * 96), atol: 0 });
    const [first, second] = tf.split(added, config.numExperts);
    expect(tf.any(tf.equal(first, second)).dataSync()[0]).toBe(0);
  }
});

test("what does not fit is refused by name", () => {
  const source = dense();
  expect(() => upcycled(source, experts, { seed: 1, reinitializedShare: 1.5 })).toThrow("reinitializedShare is 1.5");
  expect(() => upcycled(source, experts, { seed: 1, noise: NaN })).toThrow("noise is NaN");
  expect(() => upcycled(source, { ...experts, numLayers: 3 }, { seed: 1 })).toThrow(
    /has \d layers, the configuration 3/,
  );
  expect(() => upcycled(source, { ...experts, dFfn: experts.dFfn + 1 }, { seed: 1 })).toThrow(
    "layers.0.ffn.gateUp_EDG is [",
  );
  expect(() => upcycled(initParams(experts, 1), experts, { seed: 1 })).toThrow(
    "layers.0 of the given model has no dense FFN",
  );
});
