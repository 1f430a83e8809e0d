import { describe, expect, it } from "vitest";
import { parameters } from ".";
import { printed, startOutsideNotebook } from "./fake-kernel";

startOutsideNotebook();

describe("parameters", () => {
  const presets = {
    ci: { trainTokens: 1000, backend: "cpu", shuffle: true },
    cpu: { trainTokens: 700_000, backend: "xla", shuffle: true },
  };

  it("takes the cpu preset unless PRESET says otherwise", () => {
    expect(parameters(presets, {})).toEqual({ preset: "cpu", trainTokens: 700_000, backend: "xla", shuffle: true });
    expect(parameters(presets, { PRESET: "ci" })).toMatchObject({ preset: "ci", trainTokens: 1000 });
  });

  it("lets the environment replace each value, read as the preset's is", () => {
    const env = { TRAIN_TOKENS: "1_500_000", SHUFFLE: "false", BACKEND: "wasm" };
    const p = parameters(presets, env);
    expect(p).toEqual({ preset: "cpu", trainTokens: 1_500_000, backend: "wasm", shuffle: false });
    expect(parameters(presets, { TRAIN_TOKENS: "1.5e6" }).trainTokens).toBe(1_500_000);
  });

  it("prints what is in force and where it comes from", () => {
    parameters(presets, { TRAIN_TOKENS: "5" });
    expect(printed[0]).toContain("Preset cpu");
    expect(printed[0]).toMatch(/trainTokens\s+5\s+from TRAIN_TOKENS/);
  });

  it.each([
    [{ PRESET: "CPU" }, 'PRESET is "CPU": give ci, cpu'],
    [{ TRAIN_TOKENS: "many" }, 'TRAIN_TOKENS is "many": give a number'],
    [{ TRAIN_TOKENS: "" }, 'TRAIN_TOKENS is "": give a number'],
    [{ TRAIN_TOKENS: "Infinity" }, "give a number"],
    [{ SHUFFLE: "yes" }, 'SHUFFLE is "yes": give true or false'],
  ])("refuses %o", (env, message) => {
    expect(() => parameters(presets, env)).toThrow(message);
  });
});
