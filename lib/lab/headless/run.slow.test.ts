import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runHeadless } from "./run-headless";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-headless-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

interface Output {
  readonly output_type: string;
  readonly text?: string | readonly string[];
  readonly ename?: string;
  readonly evalue?: string;
}

interface Cell {
  readonly outputs: readonly Output[];
  readonly execution_count: number | null;
}

const OLD_OUTPUT = { output_type: "stream", name: "stdout", text: "of an earlier run\n" };

function write(name: string, cells: readonly string[]): void {
  const notebook = {
    cells: cells.map((source, i) => ({
      cell_type: "code",
      id: `cell-${i}`,
      metadata: {},
      source,
      outputs: [OLD_OUTPUT],
      execution_count: 9,
    })),
    metadata: { kernelspec: { name: "lory", display_name: "Lory (TypeScript)", language: "typescript" } },
    nbformat: 4,
    nbformat_minor: 5,
  };
  fs.writeFileSync(path.join(folder, name), JSON.stringify(notebook));
}

function read(name: string): readonly Cell[] {
  return (JSON.parse(fs.readFileSync(path.join(folder, name), "utf8")) as { cells: Cell[] }).cells;
}

const textOf = ({ outputs }: Cell): string => outputs.flatMap(({ text = [] }) => text).join("");

const run = (args: readonly string[], env?: NodeJS.ProcessEnv) => runHeadless(args, folder, env);

describe("a headless run", () => {
  it("executes notebooks with parameters of the environment and writes them to a folder", () => {
    write("good.ipynb", [
      'console.log("steps", Number(process.env.STEPS));',
      "import fs from 'node:fs'; fs.readdirSync('.')",
    ]);
    const { status, stdout } = run(["good.ipynb", "--out", "executed"], { STEPS: "17" });
    expect(status).toBe(0);
    expect(stdout).toContain("    steps 17\n");
    expect(stdout).toMatch(/\[good\] done in [\d.]+ s: executed.good\.ipynb/);
    const [printed, listed] = read("executed/good.ipynb");
    expect(textOf(printed)).toBe("steps 17\n");
    expect(JSON.stringify(listed.outputs)).toContain("good.ipynb"); // it ran in its own folder
    expect(textOf(read("good.ipynb")[0])).toBe(OLD_OUTPUT.text);
  });

  it("keeps what came before a failure, prints the trace and goes on with the next notebook", () => {
    const inner = 'console.log("before");\nfunction inner(): never {\n  throw new RangeError("too long");\n}\ninner();';
    write("bad.ipynb", ["1 + 1", inner, '"not reached"']);
    write("next.ipynb", ["2 + 2"]);
    const { status, stdout } = run(["bad.ipynb", "next.ipynb", "--in-place"]);
    expect(status).toBe(1);
    expect(stdout).toContain("RangeError: too long");
    expect(stdout).toContain("at inner (cell-2:3:9)");
    expect(stdout).not.toContain("\u001b");
    const [first, failed, behind] = read("bad.ipynb");
    expect(first.outputs[0].output_type).toBe("execute_result");
    expect(textOf(failed)).toBe("before\n");
    expect(failed.outputs.at(-1)).toMatchObject({ output_type: "error", ename: "RangeError", evalue: "too long" });
    expect(behind).toMatchObject({ outputs: [], execution_count: null });
    expect(read("next.ipynb")[0].outputs).toHaveLength(1);
  });

  it("fails when a promise is rejected that nobody waits for, also after the last cell", () => {
    const reject = 'setTimeout(() => { void Promise.reject(new Error("nobody looked")); }, 5);';
    const wait = "await new Promise((done) => setTimeout(done, 50));";
    write("during.ipynb", [reject, wait]);
    // The event loop turns between the end of the cell and the runner's last question.
    write("after.ipynb", [
      'setImmediate(() => setImmediate(() => { void Promise.reject(new Error("after the end")); }));',
    ]);
    const { status, stdout } = run(["during.ipynb", "after.ipynb", "--in-place"]);
    expect(status).toBe(1);
    expect(stdout).toContain("[during] FAILED");
    expect(stdout).toContain("Error: nobody looked");
    expect(stdout).toContain("[after] FAILED");
    expect(stdout).toContain("Error: after the end");
  });

  it("ends a cell that takes too long", () => {
    write("slow.ipynb", ['console.log("started"); await new Promise(() => {});']);
    const { status, stdout } = run(["slow.ipynb", "--in-place", "--timeout", "1"]);
    expect(status).toBe(1);
    expect(stdout).toContain("CellTimeoutError: A cell timed out");
    const [cell] = read("slow.ipynb");
    expect(textOf(cell)).toBe("started\n");
    expect(cell.outputs.at(-1)).toMatchObject({ output_type: "error", ename: "CellTimeoutError" });
  });

  it("names a notebook or kernel that is missing, and writes nothing", () => {
    write("good.ipynb", ["1"]);
    expect(run(["absent.ipynb"]).status).toBe(2);
    const { status, stdout } = run(["good.ipynb", "--in-place", "--kernel", "absent"]);
    expect(status).toBe(1);
    expect(stdout).toContain("There is no kernel named absent. Set it up: npm run setup");
    expect(textOf(read("good.ipynb")[0])).toBe(OLD_OUTPUT.text);
  });
});
