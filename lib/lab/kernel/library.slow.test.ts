import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KernelClient, type Execution } from "./kernel-client";
import { TemporaryWorkspace } from "./temporary-workspace";

let workspace: TemporaryWorkspace;
let kernel: KernelClient;

beforeAll(async () => {
  workspace = new TemporaryWorkspace();
  workspace.write("lib/tfjs-backend-xla/index.ts", "export const handle = { opened: Math.random() };\n");
  workspace.write("lib/lory/nn/index.ts", "export const width = 1;\n");
  workspace.write("lib/lory/eval/index.ts", "/** Loaded once. */\nexport const loaded = { at: Math.random() };\n");
  workspace.write(
    "lib/lory/index.ts",
    [
      'export { width } from "./nn";',
      'export { loaded } from "./eval";',
      'export { handle } from "tfjs-backend-xla";',
      "interface Erased {",
      "  readonly lines: 2;",
      "}",
      "/** Multiplies. */",
      "export function scale(x: number, by: number): number {",
      "  const options: Erased = { lines: 2 };",
      '  if (by === 0) throw new RangeError("by is 0");',
      "  return (x * by * options.lines) / 2;",
      "}",
      "",
    ].join("\n"),
  );
  workspace.build();
  kernel = await KernelClient.start(workspace.kernelMain, workspace.notebooks);
});

afterAll(async () => {
  await kernel.close();
  workspace.remove();
});

function textOf({ outputs, traceback }: Execution): unknown {
  const result = outputs.find(({ type }) => type === "execute_result");
  return (result?.content.data as Record<string, string> | undefined)?.["text/plain"] ?? traceback;
}

const IMPORT = 'import * as lory from "lory";';
const value = async (code: string): Promise<unknown> => textOf(await kernel.execute(code));

describe("the library", () => {
  it("resolves, by its name and by its folders, with types", async () => {
    expect(await value(`${IMPORT} import { width } from "lory/nn"; [lory.scale(2, 3), width]`)).toBe("[ 6, 1 ]");
    expect((await kernel.execute('lory.scale("2", 3);')).traceback).toContain("TS2345");
    const code = "lory.sca";
    const completed = await kernel.request("complete_request", { code, cursor_pos: code.length });
    expect(completed.matches).toEqual(["scale"]);
    const inspected = await kernel.request("inspect_request", { code: "lory.scale(", cursor_pos: 11 });
    expect(JSON.stringify(inspected.data)).toMatch(/scale\(x: number, by: number\): number.*Multiplies\./);
  });

  it("shows its own TypeScript lines in traces", async () => {
    const { traceback } = await kernel.execute("lory.scale(1, 0);");
    expect(traceback).toContain("RangeError: by is 0");
    expect(traceback).toMatch(/at scale \(lib\/lory\/index\.ts:10:23\)/);
    expect(traceback).toContain(">   1 | lory.scale(1, 0);");
  });

  it("is seen as edited when the import cell is run again; what has not changed is not loaded again", async () => {
    const before = await value("[lory.loaded.at, lory.handle.opened]");
    workspace.write("lib/lory/nn/index.ts", "export const width = 20;\nexport const depth = 2;\n");
    expect(await value('import { depth } from "lory/nn"; depth')).toBe("2");
    expect(await value(`${IMPORT} lory.width`)).toBe("20");
    expect(await value("[lory.loaded.at, lory.handle.opened]")).toBe(before);
  });

  it("may gain files", async () => {
    workspace.write("lib/lory/plots/index.ts", "export const color = 'blue';\n");
    expect(await value('import { color } from "lory/plots"; color')).toBe("'blue'");
  });

  it("is not run with a type error, which is shown until it is mended", async () => {
    workspace.write("lib/lory/nn/index.ts", 'export const width: number = "wide";\nexport const depth = 2;\n');
    for (let attempt = 0; attempt < 2; attempt++) {
      const { reply, traceback } = await kernel.execute(`${IMPORT} lory.width`);
      expect(reply).toMatchObject({ ename: "LibraryError", evalue: "lory has 1 type error" });
      expect(traceback).toContain("lib/lory/nn/index.ts:1:14");
      expect(traceback).toContain("TS2322");
    }
    workspace.write("lib/lory/nn/index.ts", "export const width = 30;\nexport const depth = 2;\n");
    expect(await value(`${IMPORT} lory.width`)).toBe("30");
  });

  it("is used as another process has built it", async () => {
    workspace.write("lib/lory/nn/index.ts", "export const width = 40;\nexport const depth = 2;\n");
    workspace.build();
    expect(await value(`${IMPORT} lory.width`)).toBe("40");
  });

  it("does not mind errors in its tests", async () => {
    workspace.write("lib/lory/nn/width.test.ts", 'export const wrong: number = "wrong";\n');
    expect(await value(`${IMPORT} lory.width`)).toBe("40");
  });

  it("asks for a restart where native handles would be loaded twice, and has built by then", async () => {
    const before = await value("lory.handle.opened");
    workspace.write("lib/tfjs-backend-xla/index.ts", "export const handle = { opened: -1 };\n");
    const { text, status } = await kernel.execute(`${IMPORT} lory.handle.opened`);
    expect(status).toBe("ok");
    expect(text).toMatch(/tfjs-backend-xla has changed \(index\.ts\).*Restart the kernel/);
    expect(await value("lory.handle.opened")).toBe(before);
    expect(workspace.read("lib/tfjs-backend-xla/dist/index.js")).toContain("opened: -1");
  });
});

describe("files beside the notebook", () => {
  it("are compiled, also by way of each other, and seen as edited", async () => {
    workspace.write("notebooks/base.ts", "export const step = 1;\n");
    workspace.write("notebooks/steps.ts", 'import { step } from "./base";\nexport const twice = 2 * step;\n');
    const code = 'import { twice } from "./steps"; twice';
    expect(await value(code)).toBe("2");
    workspace.write("notebooks/base.ts", "export const step = 21;\n");
    expect(await value(code)).toBe("42");
  });

  it("show their TypeScript lines in errors", async () => {
    workspace.write(
      "notebooks/failing.ts",
      'interface Erased {\n  readonly a: 1;\n}\nexport function fail(): never {\n  throw new Error("beside");\n}\n',
    );
    const { traceback } = await kernel.execute('import { fail } from "./failing";\nfail();');
    expect(traceback).toContain("at fail (failing.ts:5:9)");
    expect(traceback).toContain('>   5 |   throw new Error("beside");');
  });

  it("show their type errors", async () => {
    workspace.write("notebooks/mistyped.ts", 'export const n: number = "no";\n');
    const { reply, traceback } = await kernel.execute('import { n } from "./mistyped"; n');
    expect(reply.ename).toBe("TypeScriptError");
    expect(traceback).toContain("mistyped.ts:1:14");
  });
});
