import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { init, type BackendName } from "./backend";

const VARIABLES = ["LORY_BACKEND", "LORY_PJRT_CPU_PLUGIN", "XLA_DEVICE"] as const;
let saved: (string | undefined)[];

beforeEach(() => {
  saved = VARIABLES.map((name) => process.env[name]);
});
afterEach(() => {
  VARIABLES.forEach((name, i) => {
    if (saved[i] === undefined) delete process.env[name];
    else process.env[name] = saved[i];
  });
  vi.restoreAllMocks();
});

describe("init", () => {
  it("takes xla, and says on what it computes", async () => {
    process.env.XLA_DEVICE = "cpu";
    expect(await init()).toEqual({ backend: "xla", device: "cpu" });
    expect(tf.getBackend()).toBe("xla");
  });

  it("takes the backend that the option or LORY_BACKEND names", async () => {
    process.env.LORY_BACKEND = "wasm";
    expect((await init()).backend).toBe("wasm");
    expect((await init({ backend: "cpu" })).backend).toBe("cpu");
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
  });

  it("takes wasm where there is no plugin, with one line that says so and how to get the fast one", async () => {
    process.env.XLA_DEVICE = "cpu";
    process.env.LORY_PJRT_CPU_PLUGIN = "/nowhere/plugin.so";
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect((await init()).backend).toBe("wasm");
    expect(warn).toHaveBeenCalledOnce();
    const line = String(warn.mock.calls[0][0]);
    expect(line).toContain("/nowhere/plugin.so");
    expect(line).toContain("wasm");
    expect(line).not.toContain("\n");
  });

  it("does not replace xla silently when it was asked for by name", async () => {
    process.env.XLA_DEVICE = "cpu";
    process.env.LORY_PJRT_CPU_PLUGIN = "/nowhere/plugin.so";
    await expect(init({ backend: "xla" })).rejects.toThrow("/nowhere/plugin.so");
  });

  it("refuses a backend that it does not know", async () => {
    await expect(init({ backend: "webgpu" as BackendName })).rejects.toThrow(
      'the backend "webgpu" is not known: choose one of xla, tensorflow, wasm, cpu',
    );
  });
});
