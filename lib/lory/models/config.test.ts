import { expect, test } from "vitest";
import { modelConfig, type ModelConfigInput } from "./config";
import { llamaFfnWidth, PRESETS, PRESET_NAMES } from "./presets";

test.each(PRESET_NAMES)("preset %s passes its own checks unchanged", (preset) => {
  expect(modelConfig({ preset })).toEqual(PRESETS[preset]);
});

test("given keys replace the preset's; nothing is left to a default later", () => {
  const config = modelConfig({ preset: "0.3b-8e", segmentLength: 128, numExperts: 2 });
  expect(config).toEqual({ ...PRESETS["0.3b-8e"], segmentLength: 128, numExperts: 2 });
  expect(modelConfig()).toEqual(PRESETS["1m"]);
});

test("d' follows LLaMA's rule when the width is given alone", () => {
  expect(modelConfig({ dModel: 1024 }).dFfn).toBe(2816);
  expect(modelConfig({ dModel: 1024, dFfn: 100 }).dFfn).toBe(100);
  expect(modelConfig({ numHeads: 2 }).dFfn).toBe(PRESETS["1m"].dFfn);
  // LLaMA 7B, 13B, 33B and 65B as published.
  expect([4096, 5120, 6656, 8192].map((dModel) => llamaFfnWidth(dModel))).toEqual([11008, 13824, 17920, 22016]);
});

test("a configuration cannot be changed", () => {
  expect(Object.isFrozen(modelConfig())).toBe(true);
});

/** What a caller without a compiler may pass. */
const refuse =
  (input: unknown): (() => unknown) =>
  () =>
    modelConfig(input as ModelConfigInput);

test("an unknown key is refused with the nearest known one", () => {
  expect(refuse({ numExpert: 8 })).toThrow('no key "numExpert": did you mean "numExperts"?');
  expect(refuse({ d_model: 8 })).toThrow('no key "d_model": did you mean "dModel"?');
  expect(refuse({ segmentlength: 8 })).toThrow('did you mean "segmentLength"?');
  expect(refuse({ toString: 8 })).toThrow('no key "toString"');
});

test("an unknown preset is refused with the nearest known one", () => {
  expect(refuse({ preset: "0.3b/8e" })).toThrow('no preset "0.3b/8e": did you mean "0.3b-8e"?');
  expect(refuse({ preset: "constructor" })).toThrow('no preset "constructor"');
  expect(refuse({ preset: 3 })).toThrow("no preset 3");
});

test.each<[unknown, string]>([
  [{ segmentLength: 0 }, "segmentLength is 0: expected an integer of at least 1"],
  [{ segmentLength: 513 }, "segmentLength is 513, contextLength 512: a segment cannot be longer than the context"],
  [{ contextLength: 32 }, "segmentLength is 64, contextLength 32"],
  [{ segmentLength: 1.5 }, "segmentLength is 1.5"],
  [{ vocabSize: "8192" }, 'vocabSize is "8192": expected an integer of at least 1'],
  [{ numLayers: NaN }, "numLayers is NaN"],
  [{ numLayers: Infinity }, "numLayers is Infinity"],
  [{ numLayers: undefined }, "numLayers is undefined"],
  [{ numHeads: null }, "numHeads is null"],
  [{ numExperts: -1 }, "numExperts is -1: expected an integer of at least 0"],
  [{ dModel: 130 }, "dModel is 130, numHeads 4: the heads share the width evenly"],
  [{ dModel: "128" }, 'dModel is "128": expected an integer'],
  [{ dModel: 12 }, "a head of 3 is odd, and rotary positions turn pairs"],
  [{ normEps: 0 }, "normEps is 0: expected a finite number above 0"],
  [{ ropeTheta: [10000] }, "ropeTheta is [10000]"],
  [{ initStd: NaN }, "initStd is NaN"],
  [{ documentMask: true }, "documentMask is true: expected the number of the token that ends a document"],
  [{ documentMask: 8192 }, "documentMask is 8192, vocabSize 8192: the token that ends a document is one of"],
  [{ expertLayerStep: 0 }, "expertLayerStep is 0: expected an integer of at least 1"],
  [{ denseLayers: [1, 1] }, "denseLayers is [1,1]: expected a list of layers"],
  [{ denseLayers: 1 }, "denseLayers is 1: expected a list of layers"],
  [{ denseLayers: [4] }, "denseLayers names layer 4, numLayers is 4"],
  [{ numExperts: 2, expertLayerStep: 5 }, "numExperts is 2, and no layer has experts: expertLayerStep is 5"],
  [{ routingMode: "suffix" }, 'routingMode is "suffix": expected one of "causal_segment", "running_mean", "prefix"'],
  [{ firstSegmentRule: "none" }, 'firstSegmentRule is "none": expected one of "own_stop_gradient", "uniform"'],
  [
    { routingMode: "prefix", firstSegmentRule: "uniform" },
    'firstSegmentRule is "uniform", routingMode "prefix": this mode does not heed it, and allows "own_stop_gradient" only',
  ],
  [{ numExpertsPerTok: 0 }, "numExpertsPerTok is 0: expected an integer of at least 1"],
  [{ normTopkProb: 1 }, "normTopkProb is 1: expected true or false"],
  [{ routerAuxLossCoef: -1 }, "routerAuxLossCoef is -1: expected a finite number of at least 0"],
  [{ loadBalancingScope: "batch" }, 'loadBalancingScope is "batch": expected one of "global_batch", "sequence"'],
  [{ routerZLossCoef: 0.1 }, 'routerZLossCoef is 0.1, routingMode "causal_segment": this mode does not heed it'],
  [{ routerBiasUpdateRate: 0.1 }, "and allows 0 only. It can be chosen for token_choice"],
  [{ segmentShare: 1 }, "segmentShare is 1: expected a number above 0 and below 1"],
  [{ expertPoolSize: 0 }, "expertPoolSize is 0: expected an integer of at least 1"],
  [{ l1InitialCoef: 0 }, "l1InitialCoef is 0: expected a finite number above 0"],
  [{ l1CoefMultiplier: 0.5 }, "l1CoefMultiplier is 0.5: expected a finite number of at least 1"],
  [
    { routingMode: "whole_sequence", expertDropout: 1 },
    "expertDropout is 1: expected a number of at least 0 and below 1",
  ],
  [{ expertDropout: 0.1 }, 'expertDropout is 0.1, routingMode "causal_segment": this mode does not heed it'],
  [{ routingMode: "segment_and_token" }, 'numExpertsPerTok is 2, routingMode "segment_and_token": expected 1'],
  [{ routingMode: "segment_and_token", numExpertsPerTok: 1, dFfn: 1 }, "dFfn is 1"],
  [
    { routingMode: "segment_and_token", numExpertsPerTok: 1, firstSegmentRule: "dense_expert" },
    'expected one of "own_stop_gradient", "uniform", "learned_prior"',
  ],
  [{ routingMode: "document_pool", numExperts: 3 }, "expertPoolSize is 4, numExpertsPerTok 2, numExperts 3"],
  [{ routingMode: "document_pool", numExperts: 8, expertPoolSize: 1 }, "expertPoolSize is 1, numExpertsPerTok 2"],
  [{ routingMode: "remoe", numExperts: 1 }, "numExpertsPerTok is 2, numExperts 1"],
  [{ capacityFactor: 0 }, "capacityFactor is 0: expected a finite number above 0"],
  [{ expertChoiceUnit: "word" }, 'expertChoiceUnit is "word": expected one of "segment", "token"'],
  [{ expertChoicePool: "all" }, 'expertChoicePool is "all": expected one of "batch", "sequence"'],
  [
    { routingMode: "expert_choice", firstSegmentRule: "dense_expert" },
    'expected one of "own_stop_gradient", "uniform", "learned_prior"',
  ],
  [
    { routingMode: "expert_choice", expertChoiceUnit: "token", firstSegmentRule: "uniform" },
    'with expertChoiceUnit "token": expected one of "own_stop_gradient"',
  ],
  [{ routingMode: "expert_choice", numExperts: 2, capacityFactor: 3 }, "capacityFactor is 3, numExperts 2"],
  [
    { routingMode: "token_choice", numExperts: 2, numExpertsPerTok: 3 },
    "numExpertsPerTok is 3, numExperts 2: a token cannot pass more experts than there are",
  ],
  [null, "a model's configuration is an object, not null"],
  ["1m", 'a model\'s configuration is an object, not "1m"'],
])("%j is refused", (input, message) => {
  expect(refuse(input)).toThrow(message);
});
