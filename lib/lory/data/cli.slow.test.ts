import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectFolder } from "./project-folder";

const root = projectFolder();
const data = path.join(root, "lib", "lory", "data");

/** Runs a command as `npm run data -- ...` does. */
function cli(...args: string[]) {
  const register = createRequire(path.join(data, "cli.ts")).resolve("ts-node/register/transpile-only");
  const env = { ...process.env, TS_NODE_PROJECT: path.join(root, "lib", "lory", "tsconfig.json") };
  return spawnSync(process.execPath, ["-r", register, path.join(data, "cli.ts"), ...args], { encoding: "utf8", env });
}

describe("npm run data", () => {
  it("lists its commands", () => {
    const { status, stdout } = cli();
    expect(status).toBe(0);
    for (const command of [
      "build",
      "info",
      "readme",
      "pack",
      "unpack",
      "relock",
      "train-tokenizer",
      "convert-tokenizer",
      "tokenizer-fixtures",
    ]) {
      expect(stdout).toContain(`\n  ${command} `);
    }
    expect(cli("bild")).toMatchObject({ status: 2, stdout });
  });

  it("answers a wrong name with one line", () => {
    expect(cli("build", "quickstrat")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^there is no corpus "quickstrat"; known are .*quickstart.*\n$/) as string,
    });
    expect(cli("info").stderr).toMatch(/^no corpus was named; known are .*\n$/);
    expect(cli("convert-tokenizer", "gpt-9").stderr).toBe("the tokenizer that can be converted is llama-32k\n");
  });
});
