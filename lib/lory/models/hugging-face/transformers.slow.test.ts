import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectFolder } from "../../data/project-folder";
import {
  compiledForwardAndLoss,
  compiledPromptForward,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../../testing";
import type { ModelConfig } from "../config";
import type { Params } from "../params";
import { denseRow, mergeForPrompt } from "../prompt-merge";
import { exportHuggingFace } from ".";

/** A Python with torch and transformers: `npm run setup -- --interop` makes it. */
const python = process.env.LORY_INTEROP_PYTHON ?? path.join(projectFolder(), ".cache", "interop", "python");

// Two float32 computations of the same sums in other orders.
const CLOSE = { rtol: 1e-4, atol: 1e-5 };

interface Answer {
  readonly class: string;
  readonly logits: number[][][];
  readonly loss: number;
  readonly routing: number[][][][];
}

let root: string;
let count = 0;

beforeAll(async () => {
  await useTestBackend();
  root = await fs.mkdtemp(path.join(os.tmpdir(), "transformers-"));
});
afterAll(() => fs.rm(root, { recursive: true }));

/** What transformers makes of the exported model. */
async function askTransformers(
  params: Params,
  config: ModelConfig,
  tokens: number[][],
  promptLength: number[] | null = null,
): Promise<Answer> {
  const folder = path.join(root, String(count++));
  const [job, out] = [`${folder}.job.json`, `${folder}.out.json`];
  await exportHuggingFace(folder, params, config);
  await fs.writeFile(job, JSON.stringify({ tokens, prompt_length: promptLength }));
  const env = { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: path.join(root, "home") };
  await promisify(execFile)(python, [path.join(__dirname, "transformers_logits.py"), folder, job, out], { env });
  return JSON.parse(await fs.readFile(out, "utf8")) as Answer;
}

describe.skipIf(!existsSync(python))("transformers", () => {
  it("runs an exported dense model as LLaMA, with the same logits and loss", async () => {
    const config = tinyConfig({ numExperts: 0 });
    const params = randomParams(config, 31);
    const tokens = randomTokens(config, 2, 11, 32);
    const answer = await askTransformers(params, config, tokens);
    expect(answer.class).toBe("LlamaForCausalLM");
    expectClose(answer.loss, compiledForwardAndLoss(params, tokenTensor(tokens), config).lossNats, CLOSE);
    const longer = tokenTensor(tokens.map((row) => [...row, 0]));
    expectClose(answer.logits, compiledForwardAndLoss(params, longer, config).logits_BLV, CLOSE);
  });

  it("runs a Lory model that was merged for a prompt as LLaMA", async () => {
    const config = tinyConfig();
    const params = randomParams(config, 33);
    const tokens = randomTokens(config, 2, 9, 34);
    const promptLength_B = tf.tensor1d([4, 9], "int32");
    const merged = mergeForPrompt(params, tokenTensor(tokens), promptLength_B, config);
    const row = denseRow(merged, 1);
    const answer = await askTransformers(row, { ...config, numExperts: 0 }, [tokens[1]]);
    expect(answer.class).toBe("LlamaForCausalLM");
    const { logits_BLV } = compiledPromptForward(params, tokenTensor(tokens), promptLength_B, config);
    expectClose(answer.logits, tf.slice(logits_BLV, [1, 0, 0], [1, -1, -1]), CLOSE);
  });

  it.each<Partial<ModelConfig>>([
    {},
    { firstSegmentRule: "uniform" },
    { firstSegmentRule: "learned_prior" },
    { firstSegmentRule: "dense_expert" },
    { numLayers: 3, expertLayerStep: 2 },
    { routingMode: "running_mean", segmentLength: 3 },
    { routingMode: "prefix", segmentLength: 3 },
    { routingMode: "own_segment" },
    { routingMode: "whole_sequence" },
    { routingMode: "token_choice" },
    { routingMode: "token_choice", numExpertsPerTok: 1, normTopkProb: false },
    { routingMode: "expert_choice", segmentLength: 3 },
    { routingMode: "remoe" },
    { routingMode: "document_pool", numExperts: 5, expertPoolSize: 3, segmentLength: 3 },
    {
      routingMode: "document_pool",
      expertPoolSize: 2,
      numExpertsPerTok: 1,
      normTopkProb: false,
      routerBiasUpdateRate: 1e-3,
    },
    { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false },
    { routingMode: "segment_and_token", numExpertsPerTok: 1, segmentShare: 0.8, firstSegmentRule: "learned_prior" },
    { routingMode: "expert_choice", capacityFactor: 2, firstSegmentRule: "learned_prior" },
    { routingMode: "expert_choice", expertChoiceUnit: "token" },
    { routingMode: "token_choice", numExperts: 5, numExpertsPerTok: 3, routerBiasUpdateRate: 1e-3 },
  ])("runs a Lory model in the mode that it has: %j", async (keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 35);
    const tokens = randomTokens(config, 2, 10, 36);
    const answer = await askTransformers(params, config, tokens);
    expect(answer.class).toBe("LoryForCausalLM");
    const ours = compiledForwardAndLoss(params, tokenTensor(tokens.map((row) => [...row, 0])), config);
    expectClose(answer.logits, ours.logits_BLV, CLOSE);
    ours.routing.forEach((weights_BNE, y) => expectClose(answer.routing[y], weights_BNE, CLOSE));
  });

  it.each<Partial<ModelConfig>>([
    {},
    { routingMode: "expert_choice" },
    { routingMode: "segment_and_token", numExpertsPerTok: 1 },
  ])("runs a model routed by its prompts: %j", async (keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 37);
    const tokens = randomTokens(config, 3, 9, 38);
    const answer = await askTransformers(params, config, tokens, [4, 9, 1]);
    const promptLength_B = tf.tensor1d([4, 9, 1], "int32");
    const ours = compiledPromptForward(params, tokenTensor(tokens), promptLength_B, config);
    expectClose(answer.logits, ours.logits_BLV, CLOSE);
    ours.routing.forEach((weights_B1E, y) => expectClose(answer.routing[y], weights_B1E, CLOSE));
  });
});
