import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import ts from "typescript";
import { afterEach, beforeEach, expect, it } from "vitest";
import { projectFolder } from "../data/project-folder";
import { codeHash, type CodePlace } from "./code-hash";

let root: string;
let place: CodePlace;
beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), "code-hash-"));
  place = { library: path.join(root, "lory"), engine: path.join(root, "engine"), extension: ".ts" };
  for (const folder of ["nn", "moe", "models", "data", "train"]) await edit(`lory/${folder}/index.ts`, "a");
  await edit("engine/trace/jit.ts", "a");
});
afterEach(() => fs.rm(root, { recursive: true }));

async function edit(file: string, content: string): Promise<void> {
  await fs.mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await fs.writeFile(path.join(root, file), content);
}

/** Compiles every source, as the clone's are, into the folders `dist`. */
async function compile(): Promise<CodePlace> {
  const read = (file: string): string | undefined => ts.sys.readFile(file);
  const { config } = ts.readConfigFile(path.join(projectFolder(), "tsconfig.json"), read) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  for (const name of ["lory", "engine"]) {
    const folder = path.join(root, name);
    const files = (await fs.readdir(folder, { recursive: true })).filter((file) => /^(?!dist).*\.ts$/.test(file));
    const sources = files.map((file) => path.join(folder, file));
    const places = { rootDir: folder, outDir: path.join(folder, "dist") };
    const alone = { composite: false, incremental: false, noLib: true, types: [] };
    ts.createProgram(sources, { ...options, ...places, ...alone }).emit();
  }
  return { library: path.join(root, "lory/dist"), engine: path.join(root, "engine/dist"), extension: ".js" };
}

it.each(["lory/nn/index.ts", "lory/train/index.ts", "engine/trace/jit.ts", "lory/moe/deeper/merge.ts"])(
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
  "lory/plots/index.ts",
  "lory/nn/x.test.ts",
  "lory/nn/x.slow.test.ts",
  "lory/nn/index.d.ts",
  "lory/data/builder/build.ts",
])("does not change with %s", async (file) => {
  const before = await codeHash(place);
  await edit(file, "b");
  expect(await codeHash(place)).toBe(before);
});

it("changes when code moves from one file to another", async () => {
  await edit("lory/nn/x.ts", "b");
  const before = await codeHash(place);
  await fs.rename(path.join(root, "lory/nn/x.ts"), path.join(root, "lory/nn/y.ts"));
  expect(await codeHash(place)).not.toBe(before);
});

it("is the same of sources and of what is compiled from them", async () => {
  await edit("lory/nn/deeper/layer.ts", "/** Ä */\nexport const a: number = 1;\r\n");
  await edit("lory/train/x.bench.ts", "b");
  const hash = await codeHash(place);
  expect(await codeHash(await compile())).toBe(hash);
});

it("is that of what was compiled until it is compiled again", async () => {
  const before = await codeHash(place);
  const built = await compile();
  await edit("engine/trace/jit.ts", "b");
  expect(await codeHash(built)).toBe(before);
  await fs.rename(path.join(root, "lory/moe/index.ts"), path.join(root, "lory/moe/merge.ts"));
  await fs.rm(path.join(built.library, "moe/index.js")); // as the build does
  expect(await codeHash(await compile())).toBe(await codeHash(place));
});

it("needs no sources beside what is compiled", async () => {
  const { library, engine, extension } = await compile();
  const packed = path.join(root, "packed");
  await fs.cp(library, path.join(packed, "lory/dist"), { recursive: true });
  await fs.cp(engine, path.join(packed, "engine/dist"), { recursive: true });
  const there = { library: path.join(packed, "lory/dist"), engine: path.join(packed, "engine/dist"), extension };
  expect(await codeHash(there)).toBe(await codeHash(place));
});

it("is refused where the compiler left the sources out", async () => {
  const built = await compile();
  const map = path.join(built.library, "nn/index.js.map");
  await fs.writeFile(
    map,
    JSON.stringify({ ...(JSON.parse(await fs.readFile(map, "utf8")) as object), sourcesContent: [] }),
  );
  await expect(codeHash(built)).rejects.toThrow("does not hold the source: build the library again");
});

it("finds the code that runs here", async () => {
  expect(await codeHash()).toMatch(/^[0-9a-f]{64}$/);
});
