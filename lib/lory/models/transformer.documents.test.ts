import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, describe, expect, test } from "vitest";
import {
  compareForward,
  compiledForward,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../testing";
import type { ModelConfig } from "./config";
import type { Params } from "./params";

beforeAll(useTestBackend);

// The same sums in another order: a few roundings of 6e-8.
const REORDERED = { rtol: 1e-5, atol: 2e-6 };

const END = 12;
const dense = tinyConfig({ numExperts: 0 });
const apart = tinyConfig({ numExperts: 0, documentMask: END });
/** Of tokens below `END`. */
const someTokens = (length: number, seed: number): number[] =>
  randomTokens({ ...dense, vocabSize: END }, 1, length, seed)[0];

const logits = (params: Params, tokens: number[], config: ModelConfig): tf.Tensor3D =>
  compiledForward(params, tokenTensor([tokens]), config).logits_BLV;

describe("the ladder, documents apart", () => {
  // Of 13 tokens every fourth ends a document: in rows of 10, several do.
  const often: Partial<ModelConfig> = { vocabSize: 4, documentMask: 2 };
  test.each<[string, Partial<ModelConfig>, "evaluation" | "training"]>([
    ["dense", { numExperts: 0 }, "training"],
    ["causal segments", {}, "evaluation"],
    ["token choice", { routingMode: "token_choice" }, "training"],
  ])("%s", (_, keys, kind) => compareForward(tinyConfig({ ...keys, ...often }), 2, 10, 3, kind));
});

test.each([dense, tinyConfig()])("one document equals attention that heeds none", (config) => {
  const params = randomParams(config, 7);
  const tokens = [...someTokens(10, 1), END];
  const masked = { ...config, documentMask: END };
  expectClose(logits(params, tokens, masked), logits(params, tokens, config), REORDERED);
});

test("a dense model takes documents side by side as it takes each alone", () => {
  const params = randomParams(apart, 7);
  const [first, second] = [[...someTokens(4, 2), END], someTokens(6, 3)];
  const together = logits(params, [...first, ...second], apart);
  expectClose(tf.slice(together, [0, 0, 0], [1, 5, -1]), logits(params, first, dense), REORDERED);
  expectClose(tf.slice(together, [0, 5, 0], [1, 6, -1]), logits(params, second, dense), REORDERED);
});

/** For each position of a row of three documents, which end at 2 and 6: whether its logits change when the token at `position` does. */
function changed(config: ModelConfig, position: number): boolean[] {
  const params = randomParams(config, 7);
  const tokens = [...someTokens(2, 4), END, ...someTokens(3, 5), END, ...someTokens(4, 6)];
  const other = tokens.map((token, l) => (l === position ? (token + 1) % END : token));
  const [before, after] = [tokens, other].map((row) => logits(params, row, config).arraySync()[0]);
  // TensorFlow's products round a row by its place among others, which tokens can move where they go to experts.
  const rounding = tf.getBackend() === "tensorflow" ? 5e-6 : 0;
  return before.map((row_V, l) => row_V.some((value, v) => Math.abs(value - after[l][v]) > rounding));
}

/** Position 4 is the second document's second one. */
const OWN_DOCUMENT = Array.from({ length: 11 }, (_, l) => l >= 4 && l <= 6);

test.each<Partial<ModelConfig>>([
  { numExperts: 0 },
  { numExperts: 1 },
  { routingMode: "token_choice", numExpertsPerTok: 1 },
  { routingMode: "remoe" },
])("a document has no influence on another where routing carries none, to the last bit: %j", (keys) => {
  expect(changed(tinyConfig({ ...keys, documentMask: END }), 4)).toEqual(OWN_DOCUMENT);
});

test("in Lory a document reaches the next one through the segments that it routes, and only so", () => {
  // Segments of 4: the token routes the segment from 8 on, and position 7, of the third document, is left as it is.
  const [at7, from8] = [changed(tinyConfig({ documentMask: END }), 4)].map((all) => [all[7], all.slice(8)])[0];
  expect(at7).toBe(false);
  expect(from8).toEqual([true, true, true]);
  expect(changed(tinyConfig(), 4)).toEqual(Array.from({ length: 11 }, (_, l) => l >= 4));
});

test("at lengths that are mixed in blocks, too, documents are apart to the last bit", () => {
  const config: ModelConfig = { ...apart, contextLength: 600, numLayers: 1 };
  const params = randomParams(config, 7);
  const rows = [8, 9].map((seed) => [...someTokens(300, seed), END, ...someTokens(299, 10)]);
  const [before, after] = rows.map((row) => tf.slice(logits(params, row, config), [0, 301, 0], [1, 299, -1]));
  expectClose(after, before, EXACT);
  expectClose(before, logits(params, rows[0].slice(301), { ...dense, contextLength: 600, numLayers: 1 }), {
    rtol: 1e-4,
    atol: 2e-5,
  });
});
