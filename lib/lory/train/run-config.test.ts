import { describe, expect, it } from "vitest";
import { configFromJson, configJson } from "./config-json";
import { denseWarmupSteps, runConfig, totalSteps, type RunConfigInput } from "./run-config";

const input: RunConfigInput = {
  name: "tiny",
  model: { preset: "1m", contextLength: 32, segmentLength: 8 },
  batchSize: 4,
  trainTokens: 1000,
  optimizer: { learningRate: 1e-3 },
};

/** With experts and a dense warm-up. */
const warm = (change: object, denseWarmup: object = {}, model: object = {}): RunConfigInput => ({
  ...input,
  model: { ...input.model, numExperts: 2, ...model },
  trainTokens: 2560,
  denseWarmup,
  ...change,
});

describe("a run's configuration", () => {
  it("is complete", () => {
    const { model, optimizer, ...rest } = runConfig(input);
    expect(rest).toEqual({
      name: "tiny",
      corpus: "quickstart",
      batching: { order: "random" },
      seed: 0,
      precision: "f32",
      merges: "keep",
      batchSize: 4,
      accumulation: 1,
      trainTokens: 1000,
      denseWarmup: null,
      deterministic: false,
      evaluation: null,
      emaDecay: 0,
    });
    expect(model.dModel).toBe(128);
    expect(optimizer).toEqual({
      learningRate: 1e-3,
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-8,
      weightDecay: 0.1,
      clipNorm: 1,
      warmupFraction: 0.05,
      finalFraction: 0.1,
    });
  });

  it("is the same when it is given again, whole", () => {
    for (const each of [input, warm({})]) expect(runConfig(runConfig(each))).toEqual(runConfig(each));
  });

  it("has the paper's dense warm-up where one is asked for", () => {
    const config = runConfig(warm({ trainTokens: 128 * 40 }));
    expect(config.denseWarmup).toEqual({ fraction: 0.05, optimizerState: "fresh", noise: 0, reinitializedShare: 0 });
    expect([denseWarmupSteps(config), denseWarmupSteps(runConfig(input))]).toEqual([2, 0]);
  });

  it("is the same when it comes from a run's config.json, or from a file with the names that it has here", () => {
    for (const each of [input, warm({})]) {
      expect(runConfig(configFromJson(JSON.parse(configJson(runConfig(each)))))).toEqual(runConfig(each));
    }
    expect(configFromJson(input)).toEqual(input);
    expect(configFromJson({ batch_size: 4, model: { hidden_size: 8 } })).toEqual({
      batchSize: 4,
      model: { dModel: 8 },
    });
    expect(() => configFromJson({ batch_size: 4, batchSize: 4 })).toThrow(
      /key "batchSize" twice, once as "batch_size"/,
    );
    expect(() => configFromJson({ model: [] })).toThrow(/the model of a run's configuration is an object, not \[\]/);
  });

  it("takes a default for what is undefined", () => {
    const given = { ...input, seed: undefined, optimizer: { learningRate: 1e-3, beta1: undefined } };
    expect(runConfig(given)).toEqual(runConfig(input));
  });

  it("trains as many whole batches as fit in the budget", () => {
    expect(totalSteps(runConfig(input))).toBe(7);
    expect(totalSteps(runConfig({ ...input, trainTokens: 128 }))).toBe(1);
  });
});

describe("a bad value is refused by name", () => {
  const optimizer = (change: object): object => ({ ...input, optimizer: { learningRate: 1e-3, ...change } });
  it.each<[string, object, RegExp]>([
    ["unknown memory of merges", { ...input, merges: "drop" }, /merges is "drop".*keep, recompute/],
    ["unknown key", { ...input, batchsize: 4 }, /has no key "batchsize": did you mean "batchSize"/],
    ["unknown optimizer key", optimizer({ lr: 1 }), /optimizer has no key "lr"/],
    ["unknown model key", { ...input, model: { experts: 8 } }, /has no key "experts"/],
    ["missing key", { ...input, name: undefined }, /lacks the key "name"/],
    ["missing learning rate", { ...input, optimizer: {} }, /lacks the key "learningRate"/],
    ["wrong type", { ...input, batchSize: "4" }, /batchSize is "4" .* whole number/],
    ["fraction of a batch", { ...input, batchSize: 1.5 }, /batchSize is 1.5/],
    ["infinite budget", { ...input, trainTokens: Infinity }, /trainTokens is Infinity/],
    ["unknown precision", { ...input, precision: "fp8" }, /precision is "fp8" in .*: expected one of f32, bf16/],
    ["negative seed", { ...input, seed: -1 }, /seed is -1/],
    ["path as a name", { ...input, name: "../x" }, /name is "..\/x"/],
    ["empty corpus", { ...input, corpus: "" }, /corpus is ""/],
    ["NaN learning rate", optimizer({ learningRate: NaN }), /learningRate is NaN/],
    ["beta of 1", optimizer({ beta2: 1 }), /beta2 is 1 .* below 1/],
    ["no clipping norm", optimizer({ clipNorm: 0 }), /clipNorm is 0/],
    ["warmup in per cent", optimizer({ warmupFraction: 5 }), /warmupFraction is 5 .* from 0 to 1/],
    ["model not an object", { ...input, model: "1m" }, /model is "1m"/],
    ["budget below a batch", { ...input, trainTokens: 127 }, /trainTokens is 127, a batch has 128 tokens/],
    ["unequal parts of a batch", { ...input, accumulation: 3 }, /accumulation is 3, batchSize 4: .* a multiple/],
    [
      "parts of a batch that experts choose from",
      warm({ accumulation: 2 }, {}, { routingMode: "expert_choice" }),
      /accumulation is 2, expertChoicePool "batch": .* Set expertChoicePool to "sequence"/,
    ],
    ["decay of 1", { ...input, emaDecay: 1 }, /emaDecay is 1 .* below 1/],
    ["warm-up of nothing", { ...input, denseWarmup: {} }, /denseWarmup is set, numExperts is 0/],
    ["warm-up that is no object", warm({ denseWarmup: 0.05 }), /denseWarmup is 0.05 .* object or null/],
    [
      "warm-up shorter than a step",
      warm({}, { fraction: 0.01 }),
      /fraction is 0.01 .* 0 of 20 steps, expected 1 to 19/,
    ],
    ["warm-up to the end", warm({}, { fraction: 1 }), /fraction is 1 .* 20 of 20 steps/],
    ["warm-up's unknown key", warm({}, { share: 0.1 }), /dense warm-up has no key "share"/],
    ["warm-up's unknown state", warm({}, { optimizerState: "copied" }), /optimizerState is "copied" .* fresh, kept/],
    ["negative noise", warm({}, { noise: -1 }), /noise is -1/],
    ["segment beyond the context", { ...input, model: { contextLength: 8, segmentLength: 16 } }, /segmentLength is 16/],
  ])("%s", (_case, given, message) => {
    expect(() => runConfig(given as RunConfigInput)).toThrow(message);
  });

  it("something that is no object", () => {
    expect(() => runConfig("tiny" as unknown as RunConfigInput)).toThrow(/is an object, not "tiny"/);
  });
});

describe("config.json", () => {
  it("has every value, under Hugging Face's names", () => {
    const json = JSON.parse(configJson(runConfig(input))) as Record<string, Record<string, unknown>>;
    expect(json).toMatchObject({
      name: "tiny",
      corpus: "quickstart",
      seed: 0,
      batch_size: 4,
      train_tokens: 1000,
      precision: "f32",
    });
    expect(json.model).toMatchObject({ hidden_size: 128, num_experts: 0, max_position_embeddings: 32 });
    expect(Object.keys(json.model)).toHaveLength(Object.keys(runConfig(input).model).length);
    expect(json.optimizer).toMatchObject({ learning_rate: 1e-3, adam_beta2: 0.95, max_grad_norm: 1 });
    expect(Object.values(json.optimizer)).toEqual(Object.values(runConfig(input).optimizer));
    expect(json).toMatchObject({ gradient_accumulation_steps: 1, dense_warmup: null, ema_decay: 0 });
    expect(JSON.parse(configJson(runConfig(warm({}))))).toMatchObject({
      dense_warmup: { fraction: 0.05, optimizer_state: "fresh", noise: 0, reinitialized_share: 0 },
    });
  });

  it("does not depend on the order of the keys that were given", () => {
    const reversed = Object.fromEntries(Object.entries(input).reverse()) as unknown as RunConfigInput;
    expect(configJson(runConfig(reversed))).toBe(configJson(runConfig(input)));
  });
});
