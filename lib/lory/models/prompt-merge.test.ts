import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import {
  compiledForward,
  compiledMerge,
  compiledPromptForward,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../testing";
import type { Params } from "./params";
import { denseRow, disposeMerged, mergeForPrompt } from "./prompt-merge";
import { forward } from "./transformer";

const REORDERED = { rtol: 1e-5, atol: 2e-6 };

const config = tinyConfig();
const tokens_BL = randomTokens(config, 3, 9, 1);
const lengths = [4, 9, 1];

beforeAll(useTestBackend);

test("what is not merged has no merge for a prompt", () => {
  const chosen = tinyConfig({ routingMode: "token_choice" });
  const merge = (): unknown =>
    mergeForPrompt(randomParams(chosen, 1), tokenTensor([[1, 2]]), tf.tensor1d([2], "int32"), chosen);
  expect(merge).toThrow('routingMode is "token_choice": its experts are not merged');
});

const lengthTensor = (promptLength_B: number[]): tf.Tensor1D => tf.tensor1d(promptLength_B, "int32");

const promptForward = (tokens: number[][], promptLength_B: number[]): ReturnType<typeof compiledPromptForward> =>
  compiledPromptForward(randomParams(config, 2), tokenTensor(tokens), lengthTensor(promptLength_B), config);

test("a model merged for its prompts equals prompt routing, all rows at once and each as a dense model", () => {
  const params = randomParams(config, 2);
  const expected = promptForward(tokens_BL, lengths).logits_BLV.arraySync();
  const merged = mergeForPrompt(params, tokenTensor(tokens_BL), lengthTensor(lengths), config);
  const { logits_BLV, routing } = compiledForward(merged, tokenTensor(tokens_BL), config);
  expect(routing).toEqual([]);
  expectClose(logits_BLV, expected, REORDERED);

  const denseConfig = { ...config, numExperts: 0 };
  tokens_BL.forEach((tokens_L, row) => {
    const one = compiledForward(denseRow(merged, row), tokenTensor([tokens_L]), denseConfig);
    expectClose(one.logits_BLV, [expected[row]], REORDERED);
  });
});

test("merging needs the prompt alone: what lies behind it changes nothing", () => {
  const params = randomParams(config, 2);
  const merge = (tokens: number[][]): tf.Tensor[] =>
    compiledMerge(params, tokenTensor(tokens), lengthTensor([4, 4, 4]), config).flatMap((ffn) =>
      Object.values<tf.Tensor>(ffn),
    );
  const short = merge(tokens_BL.map((row) => row.slice(0, 4)));
  merge(tokens_BL).forEach((tensor, i) => expectClose(tensor, short[i], REORDERED));
});

/** The routing weights by layer and row, read one by one: equal programs give equal bits. */
const routingOf = (tokens: number[][], promptLength_B: number[]): number[][][][] =>
  promptForward(tokens, promptLength_B).routing.map((weights_B1E) => weights_B1E.arraySync());

test("a row's routing depends neither on other rows nor on tokens after its prompt", () => {
  const routing = routingOf(tokens_BL, lengths);
  const others = randomTokens(config, 3, 9, 99);
  const mixed = [[...tokens_BL[0].slice(0, 4), ...others[0].slice(4)], others[1], others[2]];
  routingOf(mixed, [4, 2, 5]).forEach((weights_B1E, y) => {
    expect(weights_B1E[0]).toEqual(routing[y][0]);
    expect(weights_B1E[1]).not.toEqual(routing[y][1]);
  });
  const inside = tokens_BL.map((row) => [...row]);
  inside[0][3] = (inside[0][3] + 1) % config.vocabSize;
  routingOf(inside, lengths).forEach((weights_B1E, y) => {
    expect(weights_B1E[0]).not.toEqual(routing[y][0]);
    expect(weights_B1E.slice(1)).toEqual(routing[y].slice(1));
  });
});

test("a row without a prompt is routed uniformly", () => {
  const [weights_B1E] = promptForward(tokens_BL, [0, 1, 1]).routing;
  const uniform = new Array<number>(config.numExperts).fill(1 / config.numExperts);
  expectClose(weights_B1E.arraySync()[0], [uniform], { rtol: 1e-6, atol: 0 });
});

test("disposing merged parameters leaves the model's own", () => {
  const params = randomParams(config, 2);
  const [tokens, promptLength_B] = [tokenTensor(tokens_BL), lengthTensor(lengths)];
  const before = tf.memory().numTensors;
  const merged = mergeForPrompt(params, tokens, promptLength_B, config);
  expect(tf.memory().numTensors).toBe(before + 2 * config.numLayers);
  disposeMerged(merged, params);
  expect(tf.memory().numTensors).toBe(before);
  expect(params.embed_VD.isDisposed).toBe(false);
});

test("a row that is not there, or a model that is not merged, is refused", () => {
  const params = randomParams(config, 2);
  expect(() => denseRow(params, 0)).toThrow("layer 0 is not merged");
  const merged = mergeForPrompt(params, tokenTensor(tokens_BL), lengthTensor(lengths), config);
  expect(() => denseRow(merged, 3)).toThrow("no row 3: rows are 0 to 2");
});

test("a dense model has nothing to merge and stays as it is", () => {
  const denseConfig = { ...config, numExperts: 0 };
  const params = randomParams(denseConfig, 2);
  const merged = mergeForPrompt(params, tokenTensor(tokens_BL), lengthTensor(lengths), denseConfig);
  expect(merged.layers.map(({ ffn }) => ffn)).toEqual(params.layers.map(({ ffn }) => ffn));
  disposeMerged(merged, params);
  expect(params.layers.flatMap(({ ffn }) => Object.values<tf.Tensor>(ffn)).some((t) => t.isDisposed)).toBe(false);
});

test("a merge of a prompt's highest experts equals prompt routing by those", () => {
  const keep = { count: 2, renormalize: true };
  const bothWays = jit((params: Params, tokens: tf.Tensor2D, promptLength_B: tf.Tensor1D) => {
    const merged = mergeForPrompt(params, tokens, promptLength_B, config, keep);
    const pass = { kind: "prompt", promptLength_B, keep } as const;
    return [forward(merged, tokens, config), forward(params, tokens, config, pass)].map(({ logits_BLV }) => logits_BLV);
  });
  const [merged, routed] = bothWays(randomParams(config, 5), tokenTensor(tokens_BL), lengthTensor(lengths));
  expectClose(merged, routed.arraySync(), REORDERED);
});
