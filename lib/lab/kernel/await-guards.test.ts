import ts from "typescript";
import { describe, expect, it } from "vitest";
import { guardAwaits, installGuard } from "./await-guards";
import { CellGuard } from "./interrupt";

function compile(source: string, cell: "cell-3" | "" = "cell-3"): string {
  const guards = guardAwaits({ place: (file, line) => `${file}:${line}`, cell: () => cell || undefined });
  const { outputText } = ts.transpileModule(source, {
    fileName: "c.ts",
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
    },
    transformers: { before: [guards] },
  });
  return outputText.replace("export {};", "").trim();
}

describe("guarded awaits", () => {
  it("name their line, and the cell where they stand in it", () => {
    expect(compile("\nawait x;")).toBe('await __lory_guard__.value(x, "c.ts:1", "cell-3");');
    expect(compile("for await (const i of xs) f(i);")).toContain(
      'for await (const i of __lory_guard__.items(xs, "c.ts:0", "cell-3"))',
    );
  });

  it("belong to no cell within functions, nor in other files", () => {
    expect(compile("const f = async () => { await x; };")).toContain('value(x, "c.ts:0");');
    expect(compile("class A { async m() { return await x; } }")).toContain('value(x, "c.ts:0");');
    expect(compile("await x;", "")).toContain('value(x, "c.ts:0");');
  });

  it("are nested as the awaits are", () => {
    expect(compile("await (await x).y;")).toBe(
      'await __lory_guard__.value((await __lory_guard__.value(x, "c.ts:0", "cell-3")).y, "c.ts:0", "cell-3");',
    );
  });

  it("leave all else as it is", () => {
    expect(compile("for (const i of xs) f(i);")).toBe("for (const i of xs)\n    f(i);");
  });
});

it("compiled code reaches the guard of its cell", async () => {
  const asked: (string | undefined)[] = [];
  installGuard((cell) => {
    asked.push(cell);
    return new CellGuard();
  });
  const run = (0, eval)(`(async (x) => { ${compile("await x;")} ${compile("await x;", "")} return 1; })`) as (
    x: unknown,
  ) => Promise<number>;
  expect(await run(Promise.resolve())).toBe(1);
  expect(asked).toEqual(["cell-3", undefined]);
});
