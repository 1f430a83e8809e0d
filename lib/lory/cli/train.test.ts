import fs from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, vi } from "vitest";
import { it } from "../train/testing/run-test";
import { untilStopped } from "./stop-signals";
import { trainRun, trainSweep } from "./train";

let lines: string[] = [];
const print = (line: string): void => void lines.push(line);
beforeEach(() => {
  lines = [];
  vi.spyOn(console, "log").mockImplementation(print);
});
afterEach(() => void vi.restoreAllMocks());

async function write(folder: string, name: string, content: unknown): Promise<string> {
  await fs.mkdir(folder, { recursive: true });
  const file = path.join(folder, name);
  await fs.writeFile(file, JSON.stringify(content));
  return file;
}

describe("lory run", () => {
  it("trains the run of a file, then finds it done, also by the config.json of its directory", async ({
    config,
    options,
  }) => {
    const runsDir = options.runsDir!;
    const file = await write(runsDir, "c.json", config);
    expect(await trainRun(file, { runsDir, settings: { seed: 9 } })).toBe("done");
    expect(lines[1]).toMatch(/^run (tiny-[0-9a-f]{8}) in .*: 12 steps to train$/);
    expect(lines[2]).toMatch(/^tiny-[0-9a-f]{8}: step 1, 16 \/ 192 tokens, loss 3\.\d+$/);
    expect(lines.at(-1)).toMatch(/^done: \d\.\d{4} nats over the last tenth of the steps, .* tokens\/s$/);
    const id = /run (\S+)/.exec(lines[1])![1];
    expect(await trainRun(path.join(runsDir, id, "config.json"), { runsDir })).toBe("done");
    expect(lines.at(-2)).toMatch(new RegExp(`^run ${id} in .*: done already, 12 steps$`));
  });

  it("stops with a checkpoint when the process is told to, and goes on", async ({ config, options }) => {
    const runsDir = options.runsDir!;
    const file = await write(runsDir, "c.json", config);
    vi.mocked(console.log).mockImplementation((line: string) => {
      print(line);
      if (line.includes("step 1,")) process.emit("SIGTERM", "SIGTERM");
    });
    const { result, stopStatus } = await untilStopped((signal) => trainRun(file, { runsDir, signal }));
    expect([result, stopStatus]).toEqual(["stopped", 143]);
    expect(lines.at(-1)).toMatch(/^stopped: a checkpoint of step \d is in /);
    expect(await trainRun(file, { runsDir })).toBe("done");
    expect(lines.some((line) => /: goes on from its last checkpoint, \d of 12 steps/.test(line))).toBe(true);
  });
});

describe("lory sweep", () => {
  it("trains a file's sweep, with what the arguments set, and says what is left", async ({ config, options }) => {
    const runsDir = options.runsDir!;
    await write(runsDir, "base.json", config);
    const file = await write(runsDir, "s.json", { base: "base.json", grid: { segmentLength: [2, 4] }, seeds: [1] });
    const settings = { trainTokens: 32 };
    expect(await trainSweep(file, { runsDir, settings, budget: { tokens: 50 } })).toBe("left");
    expect(lines.at(-1)).toBe("stopped by the budget of tokens: 1 of 2 runs are left; the same command goes on");
    expect(await trainSweep(file, { runsDir, settings })).toBe("done");
    expect(await trainSweep(file, { runsDir, settings: { ...settings, vocabSize: 31 } })).toBe("failed");
  });
});
