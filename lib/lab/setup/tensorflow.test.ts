import { describe, expect, it } from "vitest";
import { tensorflow, tensorflowObstacle } from "./tensorflow.mjs";

describe("the backend tensorflow", () => {
  it("can be built on Linux with a compiler", () => {
    expect(tensorflowObstacle("cpu", { machine: "linux-x64", compiler: "/usr/bin/g++" })).toBeUndefined();
  });

  it("says in one line what is missing, and how to mend it", () => {
    const noCompiler = tensorflowObstacle("gpu", { machine: "linux-x64", compiler: "" });
    expect(noCompiler).toMatch(/^--tensorflow-gpu: .*g\+\+.*sudo apt install g\+\+\.$/);
    expect(tensorflowObstacle("cpu", { machine: "darwin-arm64", compiler: "/usr/bin/g++" })).toMatch(
      /^--tensorflow: .*linux-x64 and linux-arm64 only; this is darwin-arm64\.$/,
    );
  });

  it("is built from the same steps for processors and GPUs, each with a log of its own", () => {
    const [cpu, gpu] = [tensorflow("cpu"), tensorflow("gpu")];
    expect(cpu.map(({ id }) => id.replace("cpu", "gpu"))).toEqual(gpu.map(({ id }) => id));
    expect(new Set([...cpu, ...gpu].map(({ id }) => id)).size).toBe(6);
  });
});
