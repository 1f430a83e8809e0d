import { expect, test } from "vitest";
import { paramsToList } from "./params";
import { initParams } from "./init";
import { randomParams, tinyConfig, useTestBackend } from "../testing";
import { modelConfig } from "./config";
import { computedFfnFlopsPerToken, countParameters, flopsPerToken } from "./count";
import { PRESETS, type PresetName } from "./presets";

const billions = (count: number, digits: number): string => (count / 1e9).toFixed(digits);

// As the paper prints them, but for 0.3b, which is 0.308 B in the blocks and 0.374 B with embedding and head.
test.each<[PresetName, string]>([
  ["0.3b-8e", "1.8"],
  ["0.3b-16e", "3.5"],
  ["0.3b-32e", "6.8"],
  ["1.5b", "1.5"],
  ["1.5b-8e", "7.8"],
  ["1.5b-16e", "15.0"],
  ["1.5b-32e", "29.5"],
  ["7b-4e", "19.7"],
])("%s has the paper's %s billion parameters", (preset, total) => {
  expect(billions(countParameters(PRESETS[preset]).total, 1)).toBe(total);
});

test("0.3b and 7b to the last parameter, by hand", () => {
  // A layer of 0.3b: 4 x 1024^2 + 3 x 1024 x 2816 + 2 x 1024 = 12 847 104; 24 of them.
  expect(countParameters(PRESETS["0.3b"])).toEqual({
    total: 373_867_520,
    embedding: 32_768_000,
    head: 32_769_024,
    blocks: 308_330_496,
    active: 373_867_520,
  });
  // LLaMA 7B as published: 6 738 415 616.
  expect(countParameters(PRESETS["7b"]).total).toBe(6_738_415_616);
});

test("what is active is the dense model and the routers", () => {
  const [dense, lory] = [countParameters(PRESETS["0.3b"]), countParameters(PRESETS["0.3b-32e"])];
  expect(lory.active - dense.active).toBe(24 * 1024 * 32);
});

test("small presets have about the parameters in their blocks that their names say", () => {
  const sizes = (["1m", "5m", "20m", "bench-small"] as const).map((name) => countParameters(PRESETS[name]).blocks);
  expect(sizes).toEqual([1_049_600, 5_114_880, 20_453_376, 5_114_880]);
});

test.each([0, 1, 3])("a model of %i experts has as many numbers as are counted", async (numExperts) => {
  await useTestBackend();
  const config = tinyConfig({ numExperts });
  const size = paramsToList(initParams(config, 0)).reduce((sum, { tensor }) => sum + tensor.size, 0);
  expect(size).toBe(countParameters(config).total);
  expect(paramsToList(randomParams(config, 0)).length).toBe(3 + config.numLayers * (numExperts === 0 ? 6 : 7));
});

test.each(["learned_prior", "dense_expert"] as const)("%s adds what is counted", async (firstSegmentRule) => {
  await useTestBackend();
  const config = tinyConfig({ firstSegmentRule });
  const list = paramsToList(initParams(config, 0));
  expect(list.reduce((sum, { tensor }) => sum + tensor.size, 0)).toBe(countParameters(config).total);
  const added = firstSegmentRule === "learned_prior" ? config.numExperts : 3 * config.dModel * config.dFfn;
  expect(countParameters(config).total - countParameters(tinyConfig()).total).toBe(config.numLayers * added);
});

test("experts in every second layer are counted there only", async () => {
  await useTestBackend();
  const config = tinyConfig({ numLayers: 3, expertLayerStep: 2 });
  const list = paramsToList(initParams(config, 0));
  expect(list.reduce((sum, { tensor }) => sum + tensor.size, 0)).toBe(countParameters(config).total);
  expect(list.filter(({ name }) => name.endsWith("router_DE")).map(({ name }) => name)).toEqual([
    "layers.1.ffn.router_DE",
  ]);
  const all = flopsPerToken({ ...config, expertLayerStep: 1 });
  expect(flopsPerToken(config).merge * 3).toBeCloseTo(all.merge, 9);
});

test("a merge a sequence costs a segment's share of it", () => {
  const [lory, whole] = [{}, { routingMode: "whole_sequence" } as const].map((keys) =>
    flopsPerToken({ ...PRESETS["0.3b-8e"], ...keys }),
  );
  expect(lory.merge).toBe(16 * whole.merge);
});

test("FLOPs of 0.3b-8e by hand", () => {
  const flops = flopsPerToken(PRESETS["0.3b-8e"]);
  // 24 layers: 8 x 1024^2 + 2 x 1024 x 4097 = 16 779 264.
  expect(flops.attention).toBe(24 * 16_779_264);
  // 24 layers: 6 x 1024 x 2816 = 17 301 504.
  expect(flops.ffn).toBe(24 * 17_301_504);
  // A segment: 2 x 1024 x 8 + 8 x 17 301 504 = 138 428 416, over 256 tokens: 540 736.
  expect(flops.merge).toBe(24 * 540_736);
  expect(flops.head).toBe(2 * 1024 * 32_000);
  expect(flops.forward).toBe(flops.attention + flops.ffn + flops.merge + flops.head);
  expect(flops.training).toBe(3 * flops.forward);
});

// Lory, appendix B: E / T of the FFN.
test.each<[PresetName, number]>([
  ["0.3b", 0],
  ["0.3b-8e", 0.03125],
  ["0.3b-16e", 0.0625],
  ["0.3b-32e", 0.125],
])("%s: merging costs %d of the FFN, but for the router's hundredth of it", (preset, share) => {
  const { merge, ffn } = flopsPerToken(PRESETS[preset]);
  expect(merge / ffn).toBeGreaterThanOrEqual(share);
  expect(merge / ffn).toBeLessThanOrEqual(share * 1.001);
});

test("a short last segment is merged for like a full one", () => {
  const [three, four] = [300, 301].map((contextLength) =>
    flopsPerToken(modelConfig({ preset: "1m-8e", contextLength, segmentLength: 100 })),
  );
  expect(Math.round(((four.merge * 301) / (three.merge * 300)) * 3)).toBe(4);
});

test("token choice of two of eight: by hand", () => {
  const config = modelConfig({ preset: "0.3b-8e", routingMode: "token_choice" });
  const dense = PRESETS["0.3b"];
  // Two experts of 3 x 1024 x 2816 in each of 24 layers, and the routers.
  expect(countParameters(config).active - countParameters(dense).active).toBe(24 * (3 * 1024 * 2816 + 8 * 1024));
  expect(countParameters(config).total).toBe(countParameters(PRESETS["0.3b-8e"]).total);
  const flops = flopsPerToken(config);
  expect(flops.ffn).toBe(2 * flopsPerToken(dense).ffn);
  expect(flops.merge).toBe(24 * 2 * 1024 * 8);
  // 2 x 8 x 4096 assignments fill 256 blocks of 256 if they are even; at most 7 blocks more are begun.
  expect(computedFfnFlopsPerToken(config, 8) / flops.ffn).toBe((256 + 7) / 256);
  // 2 x 4096 assignments to 8 experts likewise: 32 blocks, and 7.
  expect(computedFfnFlopsPerToken(config, 1) / flops.ffn).toBe((32 + 7) / 32);
});

test("the bias of balancing is one number an expert", async () => {
  await useTestBackend();
  const config = tinyConfig({ routingMode: "token_choice", routerBiasUpdateRate: 1e-3 });
  const size = paramsToList(initParams(config, 0)).reduce((sum, { tensor }) => sum + tensor.size, 0);
  expect(size).toBe(countParameters(config).total);
  expect(size - countParameters(tinyConfig()).total).toBe(config.numLayers * config.numExperts);
});

test("expert choice with a capacity of 1 is as much work as the dense model", () => {
  const dense = flopsPerToken(PRESETS["0.3b"]);
  const config = modelConfig({ preset: "0.3b-8e", routingMode: "expert_choice" });
  expect(flopsPerToken(config).ffn).toBe(dense.ffn);
  expect(flopsPerToken(config).merge).toBe((24 * 2 * 1024 * 8) / 256);
  expect(flopsPerToken({ ...config, expertChoiceUnit: "token" }).merge).toBe(24 * 2 * 1024 * 8);
  expect(computedFfnFlopsPerToken(config, 8)).toBe(dense.ffn);
  // One sequence of 16 segments as its own pool: two segments for each of 8 experts; of 10: one each.
  expect(computedFfnFlopsPerToken({ ...config, contextLength: 2560 }, 1)).toBe(0.8 * dense.ffn);
});

test("segments and tokens are as much work as the dense model, beside merging half and routing twice", async () => {
  const config = modelConfig({ preset: "0.3b-8e", routingMode: "segment_and_token", numExpertsPerTok: 1 });
  const flops = flopsPerToken(config);
  expect(flops.ffn).toBe(flopsPerToken(PRESETS["0.3b"]).ffn);
  // 24 layers: 16 merges of 1408 hidden units in 4096 tokens, a router for each of both.
  expect(flops.merge).toBe((24 * (16 * (2 * 1024 * 8 + 6 * 8 * 1024 * 1408) + 4096 * 2 * 1024 * 8)) / 4096);
  // Half of the width is dispatched, with 7 blocks of 256 places beside the 128 that 8 sequences fill.
  expect(computedFfnFlopsPerToken(config, 8) / flops.ffn).toBe(0.5 + (0.5 * (128 + 7)) / 128);
  await useTestBackend();
  const tiny = tinyConfig({ routingMode: "segment_and_token", numExpertsPerTok: 1 });
  const size = paramsToList(initParams(tiny, 0)).reduce((sum, { tensor }) => sum + tensor.size, 0);
  expect(size).toBe(countParameters(tiny).total);
  const routers = tiny.numLayers * 2 * tiny.dModel * tiny.numExperts;
  expect(countParameters(tiny).active - countParameters({ ...tiny, numExperts: 0 }).active).toBe(routers);
});

test("ReMoE is counted at the experts it aims at, and computed with all", () => {
  const config = modelConfig({ preset: "0.3b-8e", routingMode: "remoe", numExpertsPerTok: 1 });
  const dense = flopsPerToken(PRESETS["0.3b"]);
  expect(flopsPerToken(config).ffn).toBe(dense.ffn);
  expect(computedFfnFlopsPerToken(config, 4)).toBe(8 * dense.ffn);
  expect(flopsPerToken({ ...config, routingMode: "document_pool" }).merge).toBe(flopsPerToken(config).merge);
});
