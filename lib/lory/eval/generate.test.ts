// Shapes: B = 1, L tokens so far.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Tokenizer } from "../data";
import { forward, type ModelConfig, type Params } from "../models";
import { routesPrompts, type Pass } from "../moe";
import { randomParams, tinyConfig, useTestBackend } from "../testing";
import { generate, generateBatch, type GeneratedText, type Prompt, type StopReason } from "./generate";
import type { GenerateOptions } from "./generate-options";

/** A letter is a token; the last token ends a document. */
const LETTERS = "abcdefghijkl";
const tokenizer: Tokenizer = {
  name: "letters",
  vocabSize: LETTERS.length + 1,
  endOfDocument: LETTERS.length,
  sha256: "",
  encode: (text) => Promise.resolve([...text].map((letter) => LETTERS.indexOf(letter))),
  encodeBatch: (texts) => Promise.all(texts.map((text) => tokenizer.encode(text))),
  decode: (ids) => Array.from(ids, (id) => LETTERS[id] ?? "").join(""),
};

let config: ModelConfig;
let params: Params;
beforeAll(async () => {
  await useTestBackend();
  config = tinyConfig({ vocabSize: tokenizer.vocabSize, contextLength: 16 });
  params = randomParams(config, 5);
});

async function generated(
  prompt: string,
  options: GenerateOptions,
  using = { params, config, tokenizer },
): Promise<{ text: string; reason: StopReason }> {
  const pieces = generate(using.params, using.config, using.tokenizer, prompt, options);
  let text = "";
  for (;;) {
    const next = await pieces.next();
    if (next.done) return { text, reason: next.value };
    text += next.value;
  }
}

async function batch(
  prompts: Prompt[],
  options: GenerateOptions,
): Promise<{ pieces: string[]; texts: GeneratedText[] }> {
  const stream = generateBatch(params, config, tokenizer, prompts, options);
  const pieces = prompts.map(() => "");
  for (;;) {
    const next = await stream.next();
    if (next.done) return { pieces, texts: next.value };
    pieces[next.value.row] += next.value.text;
  }
}

/** Temperature 0 on tfjs's CPU backend, without padding or merging beforehand: the whole text anew, routed by the prompt. */
async function naive(prompt: string, tokens: number, model: ModelConfig, seed: number): Promise<string> {
  const backend = tf.getBackend();
  await tf.setBackend("cpu");
  const weights = randomParams(model, seed);
  const ids = await tokenizer.encode(prompt);
  const promptLength = ids.length;
  const nextId = (): number =>
    tf.tidy(() => {
      const pass: Pass = routesPrompts(model)
        ? { kind: "prompt", promptLength_B: tf.tensor1d([promptLength], "int32") }
        : { kind: "evaluation" };
      const { logits_BLV } = forward(weights, tf.tensor2d(ids, [1, ids.length], "int32"), model, pass);
      return tf.argMax(tf.reshape(tf.slice(logits_BLV, [0, ids.length - 1, 0]), [-1])).dataSync()[0];
    });
  for (let id = nextId(); id !== tokenizer.endOfDocument && ids.length < promptLength + tokens; id = nextId())
    ids.push(id);
  tf.dispose(weights);
  await tf.setBackend(backend);
  return tokenizer.decode(ids.slice(promptLength));
}

describe("generation", () => {
  it.each(["a", "lkjihgf"])("at temperature 0 is the naive loop, from %s", async (prompt) => {
    const { text } = await generated(prompt, { temperature: 0, maxNewTokens: 6 });
    expect(text.length).toBeGreaterThan(0);
    expect(text).toBe(await naive(prompt, 6, config, 5));
  });

  it("of a dense model is the naive loop too", async () => {
    const dense = tinyConfig({ vocabSize: tokenizer.vocabSize, contextLength: 16, numExperts: 0 });
    const weights = randomParams(dense, 6);
    const { text } = await generated(
      "abc",
      { temperature: 0, maxNewTokens: 3 },
      { params: weights, config: dense, tokenizer },
    );
    expect(text).toBe(await naive("abc", 3, dense, 6));
  });

  it.each<Partial<ModelConfig>>([
    { routingMode: "token_choice" },
    { routingMode: "document_pool", expertPoolSize: 2 },
    { routingMode: "remoe" },
    { routingMode: "expert_choice" },
    { routingMode: "expert_choice", expertChoiceUnit: "token" },
    { routingMode: "segment_and_token", numExpertsPerTok: 1 },
  ])(
    "of a model whose experts are not merged is the naive loop too, its segments routed by the prompt: %j",
    async (keys) => {
      const sparse = tinyConfig({ vocabSize: tokenizer.vocabSize, contextLength: 16, ...keys });
      const weights = randomParams(sparse, 8);
      const { text } = await generated(
        "abc",
        { temperature: 0, maxNewTokens: 4 },
        { params: weights, config: sparse, tokenizer },
      );
      expect(text).toBe(await naive("abc", 4, sparse, 8));
    },
  );

  it.each(["prompt", "segments"] as const)("of several prompts is that of each, routed by the %s", async (routing) => {
    const prompts = ["a", "lkjihgfed", "abcde"];
    const options: GenerateOptions = { temperature: 1.5, topP: 0.9, maxNewTokens: 6, routing, stop: ["j"] };
    const { pieces, texts } = await batch(prompts, { ...options, seed: 4 });
    expect(pieces).toEqual(texts.map(({ text }) => text));
    const alone = [];
    for (const [row, prompt] of prompts.entries()) alone.push(await generated(prompt, { ...options, seed: 4 + row }));
    expect(texts.map(({ text, reason }) => ({ text, reason }))).toEqual(alone);
    texts.forEach(({ text, ids }) => expect(tokenizer.decode(ids).startsWith(text)).toBe(true));
  });

  it("takes a prompt's tokens for its text", async () => {
    const options: GenerateOptions = { maxNewTokens: 5, seed: 2 };
    const { texts } = await batch([[2, 0, 1]], options);
    expect(texts[0].text).toBe((await generated("cab", options)).text);
  });

  it("is the same for the same seed, and another for another", async () => {
    const drawn = async (seed: number): Promise<string> =>
      (await generated("abc", { seed, temperature: 2, maxNewTokens: 12 })).text;
    const texts = await Promise.all([0, 0, 1, 2, 3].map(drawn));
    expect(texts[0]).toBe(texts[1]);
    expect(new Set(texts).size).toBeGreaterThan(2);
  });

  it("leaves no tensor behind, whether it ends or is left", async () => {
    const before = tf.memory().numTensors;
    await generated("abc", { maxNewTokens: 3 });
    for (const routing of ["prompt", "segments"] as const) {
      const left = generateBatch(params, config, tokenizer, ["abc", "abcdefghijklabcd"], {
        temperature: 0,
        routing,
        atContextEnd: "slide",
      });
      await left.next();
      await left.next();
      await left.return([]);
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("it ends", () => {
  /** All logits are 0: at temperature 0 the first token of all comes, again and again. */
  const silent = (endOfDocument: number) => {
    const muted = { ...params, head_DV: tf.zeros([config.dModel, config.vocabSize]) };
    return { params: muted, config, tokenizer: { ...tokenizer, endOfDocument } };
  };

  it("after so many tokens", async () => {
    const { text, reason } = await generated("a", { temperature: 0, maxNewTokens: 2 }, silent(11));
    expect([text.length, reason]).toEqual([2, "max_new_tokens"]);
  });

  it("at the end of a document, which is not part of the text", async () => {
    expect(await generated("b", { temperature: 0 }, silent(0))).toEqual({ text: "", reason: "end_of_document" });
  });

  it("with the context", async () => {
    expect(await generated("b".repeat(13), { temperature: 0 }, silent(11))).toEqual({
      text: "aaa",
      reason: "context_end",
    });
    expect(await generated("b".repeat(16), {})).toEqual({ text: "", reason: "context_end" });
  });

  it("before a stop string, of which nothing is given", async () => {
    expect(await generated("b", { temperature: 0, stop: ["ab", "aaa"] }, silent(11))).toEqual({
      text: "",
      reason: "stop_string",
    });
    const whole = await generated("b", { temperature: 0, maxNewTokens: 2, stop: "aaa" }, silent(11));
    expect(whole).toEqual({ text: "aa", reason: "max_new_tokens" });
  });

  it("with an error at the context's end, or not at all, as asked", async () => {
    const endless = { temperature: 0, maxNewTokens: 20 } as const;
    await expect(generated("b".repeat(13), { ...endless, atContextEnd: "error" }, silent(11))).rejects.toThrow(
      "the text of prompt 0 has 16 tokens, the model's context, after 3 new ones",
    );
    const slid = await generated("b".repeat(16), { ...endless, atContextEnd: "slide" }, silent(11));
    expect(slid).toEqual({ text: "a".repeat(20), reason: "max_new_tokens" });
  });

  it("when it is aborted, with the token in hand", async () => {
    const control = new AbortController();
    const pieces = generate(params, config, tokenizer, "b", { temperature: 0, signal: control.signal });
    await pieces.next();
    control.abort();
    expect(await pieces.next()).toEqual({ done: true, value: "aborted" });
  });
});

describe("refused", () => {
  it.each<[string, string, object, RegExp]>([
    ["an empty prompt", "", {}, /prompt is empty/],
    ["a prompt beyond the context", "a".repeat(17), {}, /prompt has 17 tokens, the model's context 16/],
    ["no new tokens", "a", { maxNewTokens: 0 }, /maxNewTokens is 0/],
    ["a negative temperature", "a", { temperature: -1 }, /temperature is -1/],
    ["an empty nucleus", "a", { topP: 0 }, /topP is 0/],
    ["a fraction as seed", "a", { seed: 0.5 }, /seed is 0.5/],
    ["a fraction as topK", "a", { topK: 1.5 }, /topK is 1.5: expected an integer of at least 0/],
    ["an empty stop string", "a", { stop: ["x", ""] }, /stop is \["x",""\]/],
    ["another routing", "a", { routing: "segment" }, /routing is segment: expected one of prompt, segments/],
    ["another end", "a", { atContextEnd: "slid" }, /atContextEnd is slid: expected one of stop, error, slide/],
    [
      "experts left out of segments",
      "a",
      { routing: "segments", keepExperts: { count: 1, renormalize: true } },
      /keepExperts is given, routing "segments"/,
    ],
    ["no experts kept", "a", { keepExperts: { count: 0, renormalize: true } }, /count is 0/],
    ["an unknown option", "a", { top_p: 0.9 }, /no key "top_p": did you mean "topP"/],
  ])("%s", async (_case, prompt, options, message) => {
    const before = tf.memory().numTensors;
    await expect(generated(prompt, options)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each<[Partial<ModelConfig>, GenerateOptions, string]>([
    [
      { routingMode: "own_segment" },
      { routing: "segments" },
      'routingMode "own_segment": a segment is routed by its own',
    ],
    [
      { routingMode: "whole_sequence" },
      { routing: "segments" },
      'routingMode "whole_sequence": a segment is routed by',
    ],
    [{ routingMode: "token_choice" }, { routing: "prompt" }, 'routingMode "token_choice": each token routes itself'],
    [
      { routingMode: "remoe" },
      { keepExperts: { count: 1, renormalize: false } },
      'routingMode "remoe": experts are left',
    ],
  ])("what the mode %j cannot do: %j", async (keys, options, message) => {
    const model = { ...config, ...keys };
    await expect(generated("a", options, { params, config: model, tokenizer })).rejects.toThrow(message);
  });

  it("no prompts, and one of several that does not fit, by its place", async () => {
    await expect(batch([], {})).rejects.toThrow("there are no prompts");
    await expect(batch(["a", ""], {})).rejects.toThrow("prompt 1 is empty");
    await expect(batch([[1], [2, 13]], {})).rejects.toThrow("prompt 1 has the token 13: the model knows 0 to 12");
  });
});
