import { existsSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compiledForwardAndLoss,
  compiledPromptForward,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../../../testing";
import { denseRow, mergeForPrompt } from "../../prompt-merge";
import { CLOSE, PROMPTED_MODELS, ROUTED_MODELS } from "./interchange-cases";
import { TransformersProcess, transformersPython } from "./transformers-process";

describe.skipIf(!existsSync(transformersPython()))("transformers", () => {
  let transformers: TransformersProcess;
  beforeAll(async () => {
    await useTestBackend();
    transformers = await TransformersProcess.start();
  });
  afterAll(() => transformers.end());

  it("runs an exported dense model as LLaMA, with the same logits and loss", async () => {
    const config = tinyConfig({ numExperts: 0 });
    const params = randomParams(config, 31);
    const tokens = randomTokens(config, 2, 11, 32);
    const answer = await transformers.run(params, config, tokens);
    expect(answer.class).toBe("LlamaForCausalLM");
    expectClose(answer.loss, compiledForwardAndLoss(params, tokenTensor(tokens), config).lossNats, CLOSE);
    const longer = tokenTensor(tokens.map((row) => [...row, 0]));
    expectClose(answer.logits_BLV, compiledForwardAndLoss(params, longer, config).logits_BLV, CLOSE);
  });

  it("runs a Lory model that was merged for a prompt as LLaMA", async () => {
    const config = tinyConfig();
    const params = randomParams(config, 33);
    const tokens = randomTokens(config, 2, 9, 34);
    const promptLength_B = tf.tensor1d([4, 9], "int32");
    const merged = mergeForPrompt(params, tokenTensor(tokens), promptLength_B, config);
    const row = denseRow(merged, 1);
    const answer = await transformers.run(row, { ...config, numExperts: 0 }, [tokens[1]]);
    expect(answer.class).toBe("LlamaForCausalLM");
    const { logits_BLV } = compiledPromptForward(params, tokenTensor(tokens), promptLength_B, config);
    expectClose(answer.logits_BLV, tf.slice(logits_BLV, [1, 0, 0], [1, -1, -1]), CLOSE);
  });

  it.each(ROUTED_MODELS)("runs a Lory model in the mode that it has: %j", async (keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 35);
    const tokens = randomTokens(config, 2, 10, 36);
    const answer = await transformers.run(params, config, tokens);
    expect(answer.class).toBe("LoryForCausalLM");
    const ours = compiledForwardAndLoss(params, tokenTensor(tokens.map((row) => [...row, 0])), config);
    expectClose(answer.logits_BLV, ours.logits_BLV, CLOSE);
    expect(answer.routing).toHaveLength(ours.routing.length);
    ours.routing.forEach((weights_BNE, y) => expectClose(answer.routing[y], weights_BNE, CLOSE));
  });

  it.each(PROMPTED_MODELS)("runs a model routed by its prompts: %j", async (keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 37);
    const tokens = randomTokens(config, 3, 9, 38);
    const answer = await transformers.run(params, config, tokens, [4, 9, 1]);
    const promptLength_B = tf.tensor1d([4, 9, 1], "int32");
    const ours = compiledPromptForward(params, tokenTensor(tokens), promptLength_B, config);
    expectClose(answer.logits_BLV, ours.logits_BLV, CLOSE);
    expect(answer.routing).toHaveLength(ours.routing.length);
    ours.routing.forEach((weights_B1E, y) => expectClose(answer.routing[y], weights_B1E, CLOSE));
  });
});
