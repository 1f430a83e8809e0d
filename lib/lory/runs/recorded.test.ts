import fs from "node:fs/promises";
import path from "node:path";
import { expect } from "vitest";
import { it } from "../train/testing/run-test";
import { recordedRun } from "./recorded";

it("finds what a run of the same configuration has left, whichever code trained it, without its weights", async ({
  config,
  options,
  whole,
}) => {
  const runsDir = options.runsDir!;
  expect(await recordedRun(config, { runsDir })).toBeUndefined();
  const copy = path.join(runsDir, "tiny-0a0a0a0a");
  await fs.cp(whole.dir, copy, { recursive: true, filter: (file) => !file.includes("checkpoints") });
  const recorded = await recordedRun(config, { runsDir });
  expect([recorded?.id, recorded?.config]).toEqual(["tiny-0a0a0a0a", whole.config]);
  expect(recorded?.metrics).toEqual(whole.metrics);
  expect(await recordedRun({ ...config, seed: 11 }, { runsDir })).toBeUndefined();

  const later = path.join(runsDir, "tiny-00000000");
  await fs.cp(copy, later, { recursive: true });
  const file = path.join(later, "summary.json");
  const summary = JSON.parse(await fs.readFile(file, "utf8")) as object;
  await fs.writeFile(file, JSON.stringify({ ...summary, finishedAt: "2999-01-01T00:00:00.000Z" }));
  expect((await recordedRun(config, { runsDir }))?.id).toBe("tiny-00000000");

  await fs.rm(file);
  expect((await recordedRun(config, { runsDir }))?.id).toBe("tiny-0a0a0a0a");
});
