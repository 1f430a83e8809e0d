import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { codeHash, type CodePlace } from "./code-hash";

let root: string;
let place: CodePlace;
beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), "code-hash-"));
  place = { library: path.join(root, "lory"), engine: path.join(root, "engine"), extension: ".js" };
  for (const folder of ["nn", "moe", "models", "data", "train"]) await edit(`lory/${folder}/index.js`, "a");
  await edit("engine/trace/jit.js", "a");
});
afterEach(() => fs.rm(root, { recursive: true }));

async function edit(file: string, content: string): Promise<void> {
  await fs.mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await fs.writeFile(path.join(root, file), content);
}

it.each(["lory/nn/index.js", "lory/train/index.js", "engine/trace/jit.js", "lory/moe/deeper/merge.js"])(
  "changes with %s",
  async (file) => {
    const before = await codeHash(place);
    await edit(file, "b");
    const edited = await codeHash(place);
    expect(edited).not.toBe(before);
    await edit(file, "c");
    expect(await codeHash(place)).not.toBe(edited);
  },
);

it.each([
  "lory/plots/index.js",
  "lory/nn/x.test.js",
  "lory/nn/x.slow.test.js",
  "lory/nn/index.d.ts",
  "lory/data/builder/build.js",
])("does not change with %s", async (file) => {
  const before = await codeHash(place);
  await edit(file, "b");
  expect(await codeHash(place)).toBe(before);
});

it("changes when code moves from one file to another", async () => {
  await edit("lory/nn/x.js", "b");
  const before = await codeHash(place);
  await fs.rename(path.join(root, "lory/nn/x.js"), path.join(root, "lory/nn/y.js"));
  expect(await codeHash(place)).not.toBe(before);
});

it("finds the code that runs here", async () => {
  expect(await codeHash()).toMatch(/^[0-9a-f]{64}$/);
});
