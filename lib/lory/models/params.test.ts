import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { randomParams, randomTokens, tinyConfig, tokenTensor, useTestBackend } from "../testing";
import { listToParams, paramsToList } from "./params";
import { mergeForPrompt } from "./prompt-merge";

beforeAll(useTestBackend);

const names = (numExperts: number): string[] =>
  paramsToList(randomParams(tinyConfig({ numExperts, numLayers: 1 }), 0)).map(({ name }) => name);

test("the list's names and order are part of the format of checkpoints", () => {
  const attention = ["embed_VD", "layers.0.attnNorm_D", "layers.0.qkv_DQ", "layers.0.out_DD", "layers.0.ffnNorm_D"];
  const dense = ["layers.0.ffn.gateUp_DG", "layers.0.ffn.down_FD"];
  const lory = ["layers.0.ffn.router_DE", "layers.0.ffn.gateUp_EDG", "layers.0.ffn.down_EFD"];
  expect(names(0)).toEqual([...attention, ...dense, "norm_D", "head_DV"]);
  expect(names(2)).toEqual([...attention, ...lory, "norm_D", "head_DV"]);
});

test("a list in any order makes the same tree: dense, Lory, merged", () => {
  const lory = tinyConfig();
  const params = randomParams(lory, 1);
  const tokens = tokenTensor(randomTokens(lory, 2, 5, 0));
  const merged = mergeForPrompt(params, tokens, tf.tensor1d([5, 5], "int32"), lory);
  for (const tree of [params, merged, randomParams(tinyConfig({ numExperts: 0 }), 1)]) {
    const copy = listToParams([...paramsToList(tree)].reverse());
    expect(copy).toEqual(tree);
    expect(paramsToList(copy)).toEqual(paramsToList(tree));
  }
});

test("a tensor that is missing, twice there or unknown is named", () => {
  const list = paramsToList(randomParams(tinyConfig(), 1));
  const without = (name: string): typeof list => list.filter((entry) => entry.name !== name);
  expect(() => listToParams(without("norm_D"))).toThrow('parameter "norm_D" is missing');
  expect(() => listToParams(without("layers.1.ffn.down_EFD"))).toThrow('parameter "layers.1.ffn.down_EFD" is missing');
  expect(() => listToParams(without("layers.1.attnNorm_D"))).toThrow(/parameter "layers\.1\..*" is not part/);
  expect(() => listToParams([...list, list[3]])).toThrow(`parameter "${list[3].name}" is given twice`);
  expect(() => listToParams([...list, { ...list[0], name: "bias" }])).toThrow(
    'parameter "bias" is not part of a model',
  );
});
