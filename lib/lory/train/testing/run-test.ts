import path from "node:path";
import { test } from "vitest";
import { useTestBackend } from "../../testing";
import { openRun, type Run } from "../run";
import type { OpenRunOptions } from "../run-options";
import type { RunConfigInput } from "../run-config";
import { tinyLaboratory, trainUntil, type TinyLaboratory } from "./tiny-run";

interface RunFixtures {
  /** Trains in a moment: twelve steps. */
  readonly config: RunConfigInput;
  /** With a folder for runs that no other test uses. */
  readonly options: OpenRunOptions;
  /** The run of `config`, trained without a stop; the tests of a file share it. */
  readonly whole: Run;
  readonly laboratory: TinyLaboratory;
}

let count = 0;

/** A test of runs, on the tiny corpus. */
export const it = test.extend<RunFixtures>({
  laboratory: [
    async ({}, use) => {
      await useTestBackend();
      const laboratory = await tinyLaboratory();
      await use(laboratory);
      await laboratory.remove();
    },
    { scope: "file" },
  ],
  config: async ({ laboratory }, use) => use(laboratory.config),
  options: async ({ laboratory }, use) => use({ runsDir: path.join(laboratory.runsDir, String(count++)) }),
  whole: [
    async ({ laboratory }, use) => {
      const run = await openRun(laboratory.config, { runsDir: path.join(laboratory.runsDir, "whole") });
      await trainUntil(run);
      await use(run);
    },
    { scope: "file" },
  ],
});
