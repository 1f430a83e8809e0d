import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cpuKernels, kernelsObstacle } from "./cpu-kernels.mjs";
import { runLogged } from "./child.mjs";

let folder: string;
let log: number;
const lines = vi.spyOn(console, "log").mockImplementation(() => undefined);

beforeEach(() => {
  lines.mockClear();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-kernels-"));
  log = fs.openSync(path.join(folder, "log"), "w");
});
afterEach(() => {
  fs.closeSync(log);
  fs.rmSync(folder, { recursive: true });
});

const run = (command: string, args: readonly string[]) => runLogged(command, args, log, () => undefined, {});
const made = () => path.join(folder, "kernels-linux-x64.so");
const given = (compiler?: string) => ({ machine: "linux-x64", compiler, folder });

describe("native code for processors", () => {
  it.skipIf(kernelsObstacle() !== undefined)("is compiled where there is a compiler", async () => {
    const step = cpuKernels({ folder });
    expect(step.isDone()).toBe(false);
    await step.work({ run });
    expect(fs.existsSync(made())).toBe(true);
    expect(step.isDone()).toBe(true);
    expect(lines).not.toHaveBeenCalled();
    fs.rmSync(made());
    expect(step.isDone()).toBe(false);
  });

  it("is not there without a compiler, which one line says", async () => {
    fs.writeFileSync(made(), "of older sources");
    const step = cpuKernels(given(""));
    await step.work({ run });
    expect(step.isDone()).toBe(true);
    expect(fs.existsSync(made())).toBe(false);
    expect(lines.mock.calls).toEqual([
      [
        expect.stringMatching(
          /^ +Products of matrices stay XLA's.*neither g\+\+ nor clang\+\+.*sudo apt install g\+\+/,
        ),
      ],
    ]);
    expect(cpuKernels(given(process.execPath)).isDone()).toBe(false);
  });

  it("is not there on other machines", async () => {
    await cpuKernels({ machine: "darwin-arm64", compiler: "/usr/bin/g++", folder }).work({ run });
    expect(lines.mock.calls).toEqual([[expect.stringMatching(/^ +Products of matrices stay XLA's.*linux-x64\.$/)]]);
  });

  it("is not there where it does not compile, which one line says with the place of the compiler's message", async () => {
    const failing = path.join(folder, "g++");
    fs.writeFileSync(failing, "#!/bin/sh\necho 'error: unknown target amx-bf16'; exit 1\n", { mode: 0o755 });
    const step = cpuKernels(given(failing));
    await step.work({ run });
    expect(step.isDone()).toBe(true);
    expect(fs.existsSync(made())).toBe(false);
    expect(lines.mock.calls).toEqual([[expect.stringMatching(/g\+\+ does not compile them.*cpu-kernels\.log$/)]]);
    expect(fs.readFileSync(path.join(folder, "log"), "utf8")).toContain("unknown target amx-bf16");
  });
});
