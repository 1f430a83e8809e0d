import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { randomParams, tinyConfig, useTestBackend } from "../../testing";
import type { ModelConfig } from "../config";
import { paramsToList, type Params } from "../params";
import { openSafetensors } from "../safetensors";
import { exportHuggingFace, importHuggingFace, weightTable } from ".";

let root: string;
let folder: string;
let count = 0;

beforeAll(async () => {
  await useTestBackend();
  root = await fs.mkdtemp(path.join(os.tmpdir(), "hugging-face-"));
});
beforeEach(() => {
  folder = path.join(root, String(count++));
});
afterAll(() => fs.rm(root, { recursive: true }));

const expectSameParams = (actual: Params, expected: Params): void => {
  const [a, b] = [paramsToList(actual), paramsToList(expected)];
  expect(a.map(({ name }) => name)).toEqual(b.map(({ name }) => name));
  a.forEach(({ tensor }, i) => expectClose(tensor, b[i].tensor, EXACT));
};

const changeConfig = async (changes: object): Promise<void> => {
  const file = path.join(folder, "config.json");
  const json = JSON.parse(await fs.readFile(file, "utf8")) as object;
  await fs.writeFile(file, JSON.stringify({ ...json, ...changes }));
};

describe("a directory that was exported", () => {
  it.each<[string, Partial<ModelConfig>]>([
    ["dense", { numExperts: 0 }],
    ["Lory", {}],
    ["dense, documents apart", { numExperts: 0, documentMask: 2 }],
    ["Lory, documents apart", { documentMask: 2 }],
    ["one expert", { numExperts: 1 }],
    ["a learned prior", { firstSegmentRule: "learned_prior", routingMode: "running_mean" }],
    ["experts in some layers", { numLayers: 4, expertLayerStep: 2, denseLayers: [3] }],
    ["a dense first segment", { firstSegmentRule: "dense_expert" }],
    ["token choice with a bias", { routingMode: "token_choice", numExpertsPerTok: 1, routerBiasUpdateRate: 1e-3 }],
    ["expert choice", { routingMode: "expert_choice", expertChoiceUnit: "token", expertChoicePool: "sequence", capacityFactor: 1.5 }], // prettier-ignore
    ["segments and tokens", { routingMode: "segment_and_token", numExpertsPerTok: 1, segmentShare: 0.3 }],
    ["ReMoE", { routingMode: "remoe", l1InitialCoef: 1e-3, l1CoefMultiplier: 1.1 }],
    ["a document pool", { routingMode: "document_pool", expertPoolSize: 3 }],
    ["expert dropout", { routingMode: "whole_sequence", expertDropout: 0.1 }],
    ["token choice with losses", { routingMode: "token_choice", normTopkProb: false, routerAuxLossCoef: 0.01, routerZLossCoef: 0.001 }], // prettier-ignore
  ])("gives back the same weights and configuration: %s", async (_, keys) => {
    const config = tinyConfig(keys);
    const params = randomParams(config, 1);
    await exportHuggingFace(folder, params, config);
    const read = await importHuggingFace(folder);
    // A dense model's file has no segments.
    expect(read.config).toEqual(config.numExperts === 0 ? { ...config, segmentLength: config.contextLength } : config);
    expectSameParams(read.params, params);
  });

  it("is split in shards, none larger than asked, with an index", async () => {
    const config = tinyConfig();
    const params = randomParams(config, 1);
    await exportHuggingFace(folder, params, config, { maxShardBytes: 2000 });
    const files = (await fs.readdir(folder)).filter((name) => name.endsWith(".safetensors"));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const reader = await openSafetensors(path.join(folder, file));
      const { entries } = reader;
      if (entries.length > 1) expect(entries[entries.length - 1].end).toBeLessThanOrEqual(2000);
      await reader.close();
    }
    expectSameParams((await importHuggingFace(folder)).params, params);
  });

  it("holds LLaMA's matrices as PyTorch does, [out, in]", async () => {
    const config = tinyConfig({ numExperts: 0 });
    const params = randomParams(config, 1);
    await exportHuggingFace(folder, params, config);
    const reader = await openSafetensors(path.join(folder, "model.safetensors"));
    const tensorOf = async (name: string): Promise<tf.Tensor> => {
      const entry = reader.entries.find((each) => each.name === name)!;
      return tf.tensor(await reader.read(entry), [...entry.shape]);
    };
    const [query, key] = [0, 1].map((n) =>
      tf.slice(params.layers[1].qkv_DQ, [0, n * config.dModel], [-1, config.dModel]),
    );
    expectClose(await tensorOf("model.layers.1.self_attn.q_proj.weight"), tf.transpose(query), EXACT);
    expectClose(await tensorOf("model.layers.1.self_attn.k_proj.weight"), tf.transpose(key), EXACT);
    expectClose(await tensorOf("lm_head.weight"), tf.transpose(params.head_DV), EXACT);
    expectClose(await tensorOf("model.embed_tokens.weight"), params.embed_VD, EXACT);
    await reader.close();
  });

  it("in bfloat16 is read as the rounded values", async () => {
    const config = tinyConfig({ numExperts: 0 });
    const params = randomParams(config, 1);
    await exportHuggingFace(folder, params, config, { dtype: "bfloat16" });
    const read = await importHuggingFace(folder);
    expectClose(read.params.head_DV, params.head_DV, { rtol: 2 ** -8, atol: 0 });
    await exportHuggingFace(`${folder}-again`, read.params, config);
    expectSameParams((await importHuggingFace(`${folder}-again`)).params, read.params);
  });

  it("is not begun where something is in the way, and nothing half-written stays", async () => {
    const config = tinyConfig({ numExperts: 0 });
    await fs.mkdir(folder);
    await fs.writeFile(path.join(folder, "mine.txt"), "keep");
    await expect(exportHuggingFace(folder, randomParams(config, 1), config)).rejects.toThrow(/ENOTEMPTY|EEXIST/);
    expect(await fs.readdir(folder)).toEqual(["mine.txt"]);
    const wrong = exportHuggingFace(`${folder}-b`, randomParams(tinyConfig(), 1), config);
    await expect(wrong).rejects.toThrow("the parameters lack layers.0.ffn.gateUp_DG");
    expect((await fs.readdir(root)).filter((name) => name.includes("writing"))).toEqual([]);
  });
});

describe("a directory is refused, naming what is wrong", () => {
  const config = tinyConfig();
  beforeEach(() => exportHuggingFace(folder, randomParams(config, 1), config));

  it.each<[object, string]>([
    [{ model_type: "gpt2" }, 'model_type is "gpt2": expected "llama" or "lory"'],
    [{ num_key_value_heads: 1 }, "num_key_value_heads is 1: only 2 is supported"],
    [{ attention_bias: true }, "attention_bias is true: only false is supported"],
    [{ rope_scaling: { rope_type: "yarn" } }, 'rope_scaling is {"rope_type":"yarn"}: only null is supported'],
    [{ rope_parameters: { rope_theta: 1e4, rope_type: "llama3" } }, "rope_scaling is"],
    [{ segment_lenght: 3 }, 'no key "segment_lenght": did you mean "segment_length"'],
    [{ hidden_size: undefined }, "hidden_size is missing"],
    [{ num_experts: undefined }, "num_experts is missing"],
    [{ routing_mode: "leaky" }, 'routingMode is "leaky"'],
    [{ num_experts: 2 }, 'tensor "model.layers.0.mlp.router.weight" has shape [3, 8], config.json asks for [2, 8]'],
    [{ num_hidden_layers: 1 }, 'holds tensor "model.layers.1.input_layernorm.weight", which is not expected'],
    [{ num_hidden_layers: 3 }, 'lacks tensor "model.layers.2.input_layernorm.weight"'],
  ])("config.json with %j", async (changes, message) => {
    await changeConfig(changes);
    await expect(importHuggingFace(folder)).rejects.toThrow(message);
  });

  it("newer rotary settings are understood", async () => {
    await changeConfig({ rope_theta: undefined, rope_parameters: { rope_theta: 5000, rope_type: "default" } });
    expect((await importHuggingFace(folder)).config.ropeTheta).toBe(5000);
  });

  it.each<[string, string]>([
    ["../model.safetensors", 'in "../model.safetensors", which is no file of the folder'],
    ["model.bin", "which is no file of the folder"],
  ])("an index that leads to %s", async (file, message) => {
    const index = { weight_map: { "lm_head.weight": file } };
    await fs.writeFile(path.join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    await expect(importHuggingFace(folder)).rejects.toThrow(message);
  });

  it("an index that lacks a tensor, or has one too many", async () => {
    const names = weightTable(config).flatMap(({ parts }) => parts.map(({ name }) => name));
    const write = (listed: readonly string[]): Promise<void> =>
      fs.writeFile(
        path.join(folder, "model.safetensors.index.json"),
        JSON.stringify({ weight_map: Object.fromEntries(listed.map((name) => [name, "model.safetensors"])) }),
      );
    await write(names.slice(1));
    await expect(importHuggingFace(folder)).rejects.toThrow(
      `holds tensor "${names[0]}", which the index does not place`,
    );
    await write([...names, "extra.weight"]);
    await expect(importHuggingFace(folder)).rejects.toThrow('the index places tensor "extra.weight"');
  });

  it("and holds no tensor on the device then", async () => {
    const before = tf.memory().numTensors;
    await changeConfig({ num_experts: 2 });
    await expect(importHuggingFace(folder)).rejects.toThrow("has shape");
    await fs.truncate(path.join(folder, "model.safetensors"), 4000);
    await expect(importHuggingFace(folder)).rejects.toThrow(/is cut/);
    expect(tf.memory().numTensors).toBe(before);
  });
});
