import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import { findPlugin } from "tfjs-backend-xla";
import { describe, expect } from "vitest";
import { Draws } from "../testing/draws";
import { readProgress } from "./checkpoint";
import { latestCheckpoint } from "./checkpoint-folders";
import { openRun } from "./run";
import type { OpenRunOptions } from "./run-options";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import type { Moment } from "./testing/killed-run";
import { trainUntil } from "./testing/tiny-run";

const KILLS = 50;
/** Trainings that are killed side by side, each again and again until it is done. */
const LINES = 2;

/** Lets Node run TypeScript at once: each file is stripped of its types once, and the result kept for the next process. */
const HOOK = `
  const { createHash } = require("node:crypto");
  const fs = require("node:fs");
  const Module = require("node:module");
  const path = require("node:path");
  const [kept, engine] = [process.env.STRIPPED_FOLDER, process.env.ENGINE_SOURCES];
  require.extensions[".ts"] = (module, file) => {
    const place = path.join(kept, createHash("sha256").update(file).digest("hex"));
    if (!fs.existsSync(place)) {
      const { transformSync } = require("esbuild");
      const { code } = transformSync(fs.readFileSync(file, "utf8"), { loader: "ts", format: "cjs", target: "node20" });
      fs.writeFileSync(place + process.pid, code);
      fs.renameSync(place + process.pid, place);
    }
    module._compile(fs.readFileSync(place, "utf8"), file);
  };
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (name, ...rest) {
    return resolve.call(this, name === "tfjs-backend-xla" ? engine : name, ...rest);
  };
`;

interface Ending {
  /** Steps of the checkpoints that were whole. */
  readonly saved: readonly number[];
  readonly wasKilled: boolean;
}

async function live(moment: Moment, folder: string): Promise<Ending> {
  const hook = path.join(folder, "hook.cjs");
  const child = spawn(
    process.execPath,
    ["--require", hook, path.join(__dirname, "testing", "killed-run.ts"), JSON.stringify(moment)],
    {
      cwd: path.dirname(__dirname),
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        NODE_PATH: path.resolve(__dirname, "../../../node_modules"),
        STRIPPED_FOLDER: folder,
        ENGINE_SOURCES: path.resolve(__dirname, "../../tfjs-backend-xla/index.ts"),
        XLA_CACHE_DIR: path.join(folder, "xla"),
        LORY_PJRT_CPU_PLUGIN: findPlugin("cpu"),
      },
    },
  );
  let output = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`the training ended with ${code ?? signal}`);
  return { saved: [...output.matchAll(/^\d+$/gm)].map(Number), wasKilled: signal === "SIGKILL" };
}

describe("a training that is killed", () => {
  it(
    `at ${KILLS} random moments loses no checkpoint, and ends with the numbers of one that never was`,
    { timeout: 600_000 },
    async ({ config: plain, options, laboratory }) => {
      const folder = path.dirname(laboratory.runsDir);
      await fs.writeFile(path.join(folder, "hook.cjs"), HOOK);
      const config = { ...plain, trainTokens: 40 * 16, evaluation: { everyTokens: 80, windows: 2 } };
      const whole = await openRun(config, { runsDir: path.join(options.runsDir!, "whole") });
      await trainUntil(whole);
      const draws = new Draws(7);
      let kills = 0;
      let done = 0;

      /** One training from its beginning to its end. */
      const line = async (number: number): Promise<void> => {
        const own: OpenRunOptions = {
          runsDir: path.join(options.runsDir!, String(number)),
          checkpointEvery: { steps: 2 },
        };
        const checkpoints = path.join(own.runsDir!, whole.id, "checkpoints");
        let last = 0;
        for (let alive = true; alive;) {
          const isLeftAlone = kills >= KILLS;
          const operation = isLeftAlone ? Infinity : 1 + draws.integer(160);
          if (!isLeftAlone) kills++;
          const { saved, wasKilled } = await live({ config, options: own, operation, share: draws.uniform() }, folder);
          if (!wasKilled && !isLeftAlone) kills--;
          const latest = await latestCheckpoint(checkpoints);
          const step = latest === undefined ? 0 : (await readProgress(latest)).step;
          expect(step).toBeGreaterThanOrEqual(Math.max(last, ...saved));
          last = step;
          alive = wasKilled;
        }
        const ended = await openRun(config, own);
        expect(ended.status).toBe("done");
        expect(ended.evaluations).toEqual(whole.evaluations);
        await expectSame(ended, whole);
        const names = (await fs.readdir(ended.dir)).sort();
        expect(names).toEqual((await fs.readdir(whole.dir)).sort());
        done++;
      };
      await Promise.all(
        Array.from({ length: LINES }, async (_, i) => {
          for (let number = i; kills < KILLS; number += LINES) await line(number);
        }),
      );
      expect(kills).toBe(KILLS);
      expect(done).toBeGreaterThanOrEqual(LINES);
    },
  );
});
