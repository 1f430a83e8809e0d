import { stripVTControlCharacters } from "node:util";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import type { Script } from "./compiler";
import { describe as describeError, describeDiagnostics, isInterrupt } from "./errors";
import { awaitedAt, Interrupted } from "./interrupt";
import { chainMaps } from "./source-positions";
import { formatTrace, type TraceOptions } from "./stack-traces";

const SOURCE = "const a = 1;\nfail(a);\nawait later;";
const cell: Script = {
  label: "cell-4",
  source: () => SOURCE,
  position: (line, column) => ({ line, column }),
  compiledLines: 10,
};
const scripts = new Map([["cell-4", cell]]);
const plain = (traceback: readonly string[]): string => stripVTControlCharacters(traceback.join("\n"));

function failure(message: string, stack: string): Error {
  const error = new RangeError(message);
  error.stack = `RangeError: ${message}\n${stack}`;
  return error;
}

describe("an error", () => {
  it("shows the lines around the topmost frame in a cell", () => {
    const error = failure("bad", "    at fail (lib/lory/nn/a.ts:3:1)\n    at cell-4:2:1");
    const { ename, evalue, traceback } = describeError(error, scripts);
    expect([ename, evalue]).toEqual(["RangeError", "bad"]);
    expect(plain(traceback)).toBe(
      [
        "RangeError: bad",
        "cell-4",
        "    1 | const a = 1;",
        ">   2 | fail(a);",
        "        ^",
        "    3 | await later;",
        "    at fail (lib/lory/nn/a.ts:3:1)",
        "    at cell-4:2:1",
      ].join("\n"),
    );
  });

  it("shows the part of a long line that matters", () => {
    const long = { ...cell, source: () => `${"a".repeat(150)}b${"c".repeat(100)}` };
    const text = plain(describeError(failure("bad", "    at cell-4:1:151"), new Map([["cell-4", long]])).traceback);
    const [shown, caret] = text.split("\n").slice(2);
    expect(shown).toHaveLength(8 + 89);
    expect(shown[caret.indexOf("^")]).toBe("b");
  });

  it("shows where it was awaited when no frame lies in a cell", () => {
    const error = failure("bad", "    at later (lib/lory/a.ts:3:1)");
    awaitedAt.set(error, "cell-4:3");
    expect(plain(describeError(error, scripts).traceback)).toContain(">   3 | await later;");
  });

  it("shows parts and causes once, even where they go in circles", () => {
    const first = new Error("first");
    const many = new AggregateError([first, new Error("second")], "many", { cause: first });
    first.cause = many;
    const text = plain(describeError(many, new Map()).traceback);
    expect(text.match(/Error: second/g)).toHaveLength(1);
    expect(text.match(/AggregateError: many/g)).toHaveLength(1);
    expect(text.match(/caused by/g)).toHaveLength(1);
  });

  it("may be any value", () => {
    expect(describeError("text", scripts)).toMatchObject({ ename: "Thrown", evalue: "'text'" });
    expect(describeError(undefined, scripts)).toMatchObject({ evalue: "undefined" });
  });

  it("that says only that the cell was stopped is told apart", () => {
    expect(isInterrupt(new Interrupted())).toBe(true);
    expect(isInterrupt(new DOMException("", "AbortError"))).toBe(true);
    expect(isInterrupt(new Error("Interrupted"))).toBe(false);
  });
});

describe("the compiler's findings", () => {
  const at = (line: number, character: number) => ({ offset: 0, line, character });
  const finding = (line: number, messageText: string) => ({
    start: at(line, 6),
    end: at(line, 7),
    messageText,
    category: 1,
    code: 2322,
  });

  it("are shown with their lines, explanations below them", () => {
    const { evalue, traceback } = describeDiagnostics([finding(0, "not so"), finding(0, "because")], SOURCE);
    expect(evalue).toBe("not so (line 1)");
    expect(plain(traceback)).toBe("TS2322: not so\n>   1 | const a = 1;\n              ^\n    because");
  });

  it("are not shown without end", () => {
    const many = Array.from({ length: 30 }, (_, i) => finding(i % 3, `finding ${i}`));
    expect(plain(describeDiagnostics(many, SOURCE).traceback)).toMatch(/finding 19[^]*and 10 more$/);
  });
});

describe("positions", () => {
  const transpile = (text: string, module: ts.ModuleKind): { code: string; map: string } => {
    const compilerOptions = { module, target: ts.ScriptTarget.ES2022, sourceMap: true };
    const { outputText, sourceMapText = "" } = ts.transpileModule(text, { fileName: "c.ts", compilerOptions });
    return { code: outputText, map: sourceMapText };
  };

  it("are followed through two steps of compilation, past added lines", () => {
    const source = 'export {};\ninterface A {\n  a: 1;\n}\nimport x from "y";\nx.fail();\n';
    const modules = transpile(source, ts.ModuleKind.ESNext);
    const common = transpile(modules.code, ts.ModuleKind.CommonJS);
    const line = common.code.split("\n").findIndex((text) => text.includes(".fail(")) + 1;
    const position = chainMaps([common.map, modules.map], 1);
    expect(position(line, 1)).toEqual({ line: 5, column: 1 });
    expect(position(10_000, 1)).toMatchObject({ column: expect.any(Number) as unknown });
    expect(chainMaps([common.map, modules.map], 1)(1, 1)).toBeUndefined();
  });
});

describe("stack traces", () => {
  const site = (name: string, file: string, line: number) =>
    ({
      getScriptNameOrSourceURL: () => file,
      getFileName: () => file,
      getLineNumber: () => line,
      getColumnNumber: () => 2,
      toString: () => `${name} (${file}:${line}:2)`,
    }) as unknown as NodeJS.CallSite;
  const options: TraceOptions = { scripts, root: "/repo", built: ["/repo/lib/lory/dist/"], hidden: ["/repo/kernel/"] };

  it("keep what concerns the reader", () => {
    const sites = [
      site("Object.f", "/repo/lib/lory/src.js", 1),
      site("inside", "/repo/node_modules/a/b.js", 1),
      site("inside", "/repo/node_modules/a/c.js", 1),
      site("g", "cell-4", 2),
      site("around", "cell-4", 99),
      site("run", "/repo/kernel/runner.js", 1),
      site("Script.runInThisContext", "node:vm", 1),
      site("process", "node:internal/process/task_queues", 1),
      site("readFileSync", "node:fs", 1),
    ];
    expect(formatTrace(new Error("e"), sites, options)).toBe(
      [
        "Error: e",
        "    at f (lib/lory/src.js:1:2)",
        "    … 2 frames in node_modules",
        "    at g (cell-4:2:2)",
        "    at readFileSync (node:fs:1:2)",
      ].join("\n"),
    );
  });

  it("can be made of an error that cannot be printed", () => {
    const error = {
      toString: () => {
        throw new Error("no text");
      },
    } as unknown as Error;
    expect(formatTrace(error, [], options)).toBe("Error");
  });
});
