// Shapes: B rows, L tokens, V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { jit } from "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { forward, type ModelConfig, type Params } from "../models";
import type { Pass } from "../moe";
import { randomParams, randomTokens, tinyConfig, tokenTensor } from "../testing";
import { keptWindow, lengthBucket, openDecoder, type DecoderOptions } from "./decoder";

/** Other orders of the same sums, in f32: a hundredth of a thousandth of the largest logit. */
const REORDERED = 1e-5;

const LENGTH = 19;
const PROMPTS = [3, 8, 1];
const config = (keys: Partial<ModelConfig> = {}): ModelConfig => tinyConfig({ contextLength: 20, ...keys });

/** The modes are compared where nothing is compiled; the compiled programs are those of the first four. */
beforeEach(async () => void (await tf.setBackend("cpu")));

const allLogits = jit(
  (params: Params, tokens_BL: tf.Tensor2D, pass: Pass, model: ModelConfig) =>
    forward(params, tokens_BL, model, pass).logits_BLV,
  { name: "all logits" },
);

/** The logits at every position, each text computed as a whole. */
function recomputed(
  params: Params,
  model: ModelConfig,
  tokens: number[][],
  kind: Pass["kind"],
  prompts: number[],
  keep?: DecoderOptions["keep"],
): number[][][] {
  return tf.tidy(() => {
    const promptLength_B = tf.tensor1d(prompts, "int32");
    const pass = (kind === "evaluation" ? { kind } : { kind, promptLength_B, keep }) as Pass;
    return allLogits(params, tokenTensor(tokens), pass, model).arraySync();
  });
}

/** The logits after each row's prompt and after each of its tokens from there on, token by token. */
async function decoded(
  params: Params,
  model: ModelConfig,
  tokens: number[][],
  prompts: number[],
  options: Omit<DecoderOptions, "maxLength">,
): Promise<number[][][]> {
  const starts = tokens.map((ids, row) => ids.slice(0, prompts[row]));
  const decoder = openDecoder(params, model, starts, { ...options, maxLength: tokens[0].length });
  const rows: number[][][] = tokens.map(() => []);
  for (let step = 0; ; step++) {
    const logits = await decoder.logits();
    const isLive = tokens.map((ids, row) => prompts[row] + step <= ids.length);
    isLive.forEach((live, row) => live && rows[row].push(Array.from(logits[row])));
    if (!isLive.includes(true)) break;
    decoder.append(tokens.map((ids, row) => ids[prompts[row] + step] ?? null));
  }
  decoder.dispose();
  return rows;
}

function expectLogits(actual: number[][], expected: number[][]): void {
  const largest = Math.max(...expected.flat().map(Math.abs));
  expectClose(actual, expected, { rtol: 0, atol: REORDERED * largest });
}

type Case = [string, Partial<ModelConfig>, DecoderOptions["routing"], Pass["kind"]];
const COMPILED: Case[] = [
  ["a dense model", { numExperts: 0 }, "prompt", "evaluation"],
  ["routed by the prompt", {}, "prompt", "prompt"],
  ["by segments", {}, "segments", "continuation"],
  // Texts in which every fourth token or so ends a document.
  ["documents apart", { numExperts: 0, vocabSize: 4, documentMask: 2 }, "prompt", "evaluation"],
];
const CASES: Case[] = [
  ...COMPILED,
  ["by segments, the first uniform", { firstSegmentRule: "uniform" }, "segments", "evaluation"],
  ["by segments, the first by a prior", { firstSegmentRule: "learned_prior" }, "segments", "evaluation"],
  ["by segments, the first dense", { firstSegmentRule: "dense_expert" }, "segments", "evaluation"],
  ["by all text before", { routingMode: "running_mean" }, "segments", "continuation"],
  ["by the first segment", { routingMode: "prefix" }, "segments", "continuation"],
  ["by a sequence's prompt", { routingMode: "whole_sequence" }, "prompt", "prompt"],
  ["segments that choose", { routingMode: "expert_choice", capacityFactor: 2 }, "segments", "continuation"],
  ["segments that chose by the prompt", { routingMode: "expert_choice", capacityFactor: 2 }, "prompt", "prompt"],
  ["segments and tokens", { routingMode: "segment_and_token", numExpertsPerTok: 1 }, "segments", "continuation"],
  ["tokens that choose", { routingMode: "token_choice" }, "prompt", "evaluation"],
  ["tokens that choose from pools", { routingMode: "document_pool", expertPoolSize: 2 }, "prompt", "evaluation"],
  ["layers of both kinds", { expertLayerStep: 2 }, "segments", "continuation"],
];

async function compareWithWhole([, keys, routing, kind]: Case): Promise<void> {
  const model = config(keys);
  const params = randomParams(model, 3);
  const tokens = randomTokens(model, PROMPTS.length, LENGTH, 4);
  const expected = recomputed(params, model, tokens, kind, PROMPTS);
  const actual = await decoded(params, model, tokens, PROMPTS, { routing });
  actual.forEach((logits, row) => expectLogits(logits, expected[row].slice(PROMPTS[row] - 1)));
  tf.dispose(params);
}

describe("token by token, rows of different lengths give the logits of the whole text at every position", () => {
  it.each(CASES)("%s", async (...each) => compareWithWhole(each));

  it.each(COMPILED)("compiled, %s", async (...each) => {
    await tf.setBackend("xla");
    await compareWithWhole(each);
  });

  it("by a prompt's two highest experts", async () => {
    const model = config();
    const [params, tokens] = [randomParams(model, 5), randomTokens(model, 2, LENGTH, 6)];
    const keep = { count: 2, renormalize: true };
    const expected = recomputed(params, model, tokens, "prompt", [5, 2], keep);
    const actual = await decoded(params, model, tokens, [5, 2], { routing: "prompt", keep });
    actual.forEach((logits, row) => expectLogits(logits, expected[row].slice([4, 1][row])));
  });

  it("a first segment that is whole in the prompt is routed as in training", () => {
    const model = config();
    const [params, tokens] = [randomParams(model, 7), randomTokens(model, 2, LENGTH, 8)];
    const asTrained = recomputed(params, model, tokens, "evaluation", [4, 9]);
    expect(recomputed(params, model, tokens, "continuation", [4, 9])).toEqual(asTrained);
    expect(recomputed(params, model, tokens, "continuation", [3, 9])[0]).not.toEqual(asTrained[0]);
  });
});

describe("a row among others", () => {
  it.each(["prompt", "segments"] as const)("is what it is alone, routed by %s", async (routing) => {
    const model = config();
    const [params, tokens] = [randomParams(model, 9), randomTokens(model, PROMPTS.length, LENGTH, 10)];
    const together = await decoded(params, model, tokens, PROMPTS, { routing });
    for (const [row, prompt] of PROMPTS.entries()) {
      const [alone] = await decoded(params, model, [tokens[row]], [prompt], { routing });
      expectLogits(together[row], alone);
    }
  });
});

describe("a full window", () => {
  it.each(["prompt", "segments"] as const)("goes on with its newer half as a prompt, routed by %s", async (routing) => {
    const model = config({ contextLength: 8, segmentLength: 3 });
    const [params, tokens] = [randomParams(model, 11), randomTokens(model, 2, 15, 12)];
    const prompts = [6, 2];
    const kind = routing === "prompt" ? "prompt" : "continuation";
    const actual = await decoded(params, model, tokens, prompts, { routing });
    const kept = keptWindow(model.contextLength);
    for (const [row, prompt] of prompts.entries()) {
      const before = recomputed(params, model, [tokens[row].slice(0, 8)], kind, [prompt])[0].slice(prompt - 1);
      const windows = [4, 8].map((start) =>
        recomputed(params, model, [tokens[row].slice(start, start + 8)], kind, [kept])[0].slice(kept),
      );
      expectLogits(actual[row], [before, ...windows].flat());
    }
  });
});

it("fills lengths up to few sizes", () => {
  expect([1, 16, 17, 100, 128, 129, 300].map((length) => lengthBucket(length, 200))).toEqual([
    16, 16, 32, 128, 128, 200, 200,
  ]);
  expect(lengthBucket(3, 11)).toBe(11);
});
