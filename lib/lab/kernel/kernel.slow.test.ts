import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KernelClient, type Execution } from "./kernel-client";
import { TemporaryWorkspace } from "./temporary-workspace";
import type { Message } from "./wire";

let workspace: TemporaryWorkspace;
let kernel: KernelClient;

beforeAll(async () => {
  workspace = new TemporaryWorkspace();
  kernel = await KernelClient.start(workspace.kernelMain, workspace.notebooks);
});

afterAll(async () => {
  await kernel.close();
  workspace.remove();
});

/** The text of the value that ended a cell. */
function valueOf({ outputs }: Execution): unknown {
  return outputs.find(({ type }) => type === "execute_result")?.content.data;
}

const BRIDGE = 'const kernel = Reflect.get(globalThis, Symbol.for("lory.kernel"));';

describe("values and prints", () => {
  it("shows the last value as a result and what is printed as a stream", async () => {
    const { status, outputs, text } = await kernel.execute('console.log("printed"); const x: number = 41; x + 1');
    expect(status).toBe("ok");
    expect(text).toBe("printed\n");
    expect(outputs.at(-1)).toMatchObject({ type: "execute_result", content: { data: { "text/plain": "42" } } });
  });

  it("sends the prints of a loop in few messages, in order and by stream", async () => {
    const { outputs, text } = await kernel.execute(
      'for (let i = 0; i < 2000; i++) console.log(i); console.error("end");',
    );
    expect(outputs.length).toBeLessThan(50);
    expect(text.split("\n").slice(0, 3)).toEqual(["0", "1", "2"]);
    expect(outputs.at(-1)?.content).toEqual({ name: "stderr", text: "end\n" });
  });

  it("calls the callback of process.stdout.write", async () => {
    const result = await kernel.execute(
      'await new Promise<void>((done) => process.stdout.write(Buffer.from("bytes é"), () => done()));',
    );
    expect(result).toMatchObject({ status: "ok", text: "bytes é" });
  });

  it("shows a value by its own display method, which may be asynchronous", async () => {
    const result = await kernel.execute(
      '({ async [Symbol.for("Jupyter.display")]() { return { "text/html": "<b>1</b>", "image/png": new Uint8Array([1, 2]) }; } })',
    );
    expect(valueOf(result)).toEqual({ "text/html": "<b>1</b>", "image/png": "AQI=" });
  });

  it("keeps a silent cell from the outputs and from the count", async () => {
    const before = await kernel.execute("1");
    const silent = await kernel.execute("2", { silent: true });
    expect(silent).toMatchObject({ status: "ok", outputs: [] });
    expect(silent.reply.execution_count).toBe(before.reply.execution_count);
  });
});

describe("names of earlier cells", () => {
  it("can be used, assigned and destructured into", async () => {
    await kernel.execute("let first = 1; let second = 2; const third = { deep: 3 };");
    expect(valueOf(await kernel.execute("first = 10; [first, { first, second: second }, third.deep]"))).toEqual({
      "text/plain": "[ 10, { first: 10, second: 2 }, 3 ]",
    });
    await kernel.execute("({ first, second = 7 } = { first: 5 } as { first: number; second?: number });");
    expect(valueOf(await kernel.execute("(() => ({ first, second }))()"))).toEqual({
      "text/plain": "{ first: 5, second: 7 }",
    });
  });

  it("can be the type of what is destructured with other names", async () => {
    await kernel.execute(
      "interface Named { name: string; rank: number } const named: Named[] = [{ name: 'a', rank: 1 }];",
    );
    const code = "const seen = []; for (const { name: first, rank } of named) seen.push([first, rank]); seen";
    expect(valueOf(await kernel.execute(code))).toEqual({ "text/plain": "[ [ 'a', 1 ] ]" });
    expect(valueOf(await kernel.execute("named.map(({ name: text, rank: order }) => text + order)[0]"))).toEqual({
      "text/plain": "'a1'",
    });
  });
});

describe("the bridge to the library", () => {
  it("shows, updates in place and clears", async () => {
    const { outputs } = await kernel.execute(
      `${BRIDGE} kernel.show({ "text/plain": "a" }, { id: "one" });
       kernel.show({ "text/plain": "b" }, { id: "one", update: true }); kernel.clear(true);`,
    );
    expect(outputs.map(({ type }) => type)).toEqual(["display_data", "update_display_data", "clear_output"]);
    expect(outputs[1].content).toEqual({
      data: { "text/plain": "b" },
      metadata: {},
      transient: { display_id: "one" },
    });
  });

  it("loses none of thousands of messages", async () => {
    const { outputs } = await kernel.execute(
      'for (let i = 0; i < 3000; i++) kernel.show({ "text/plain": String(i) });',
    );
    const shown = outputs.map(({ content }) => (content.data as Record<string, string>)["text/plain"]);
    expect(shown).toEqual(Array.from({ length: 3000 }, (_, i) => String(i)));
  });

  it("shows under the last cell what comes after its end", async () => {
    await kernel.execute(
      `setTimeout(() => { console.log("late print"); kernel.show({ "text/plain": "late show" }); }, 20);`,
    );
    const cell = kernel.published.at(-1)?.parent.msg_id;
    const isShow = ({ content }: Message): boolean => JSON.stringify(content).includes("late show");
    await kernel.until(() => kernel.published.filter(isShow).length === 2);
    const late = kernel.published.slice(-2).map(({ header, parent }) => [header.msg_type, parent.msg_id]);
    expect(late).toEqual([
      ["stream", cell],
      ["display_data", cell],
    ]);
  });

  it("serves tslab's own display", async () => {
    const { outputs } = await kernel.execute('import * as tslab from "tslab"; tslab.display.html("<i>x</i>");');
    expect(outputs[0]).toMatchObject({ type: "display_data", content: { data: { "text/html": "<i>x</i>" } } });
  });
});

describe("errors", () => {
  it("shows name, message, the line of the cell and the frames", async () => {
    const source = [
      "function inner(n: number): number {",
      "  interface Erased { readonly a: string }",
      '  throw new RangeError("too large");',
      "}",
      "inner(1);",
    ].join("\n");
    const { status, reply, traceback } = await kernel.execute(source);
    const cell = `cell-${String(reply.execution_count)}`;
    expect(status).toBe("error");
    expect(reply).toMatchObject({ ename: "RangeError", evalue: "too large" });
    expect(traceback).toContain('>   3 |   throw new RangeError("too large");');
    expect(traceback).toContain(`at inner (${cell}:3:9)`);
    expect(traceback).toMatch(new RegExp(`at (\\S+ \\()?${cell}:5:1`));
    expect(traceback).not.toContain("tslab");
    expect(traceback).not.toContain("node:internal");
  });

  it("names the awaiting line where the stack ends before the cell", async () => {
    const { traceback } = await kernel.execute(
      'import { readFile } from "node:fs/promises";\nconst a = 1;\nawait readFile("missing.txt");',
    );
    expect(traceback).toContain('>   3 | await readFile("missing.txt");');
  });

  it("shows causes, aggregated errors and thrown values", async () => {
    const caused = await kernel.execute('throw new Error("outer", { cause: new TypeError("the reason") });');
    expect(caused.traceback).toMatch(/caused by[^]*TypeError: the reason/);
    const many = await kernel.execute('await Promise.any([Promise.reject(new Error("first of two"))]);');
    expect(many.traceback).toContain("Error: first of two");
    const thrown = await kernel.execute("throw { code: 7 };");
    expect(thrown.reply).toMatchObject({ ename: "Thrown", evalue: "{ code: 7 }" });
  });

  it("shows type errors with their place and runs nothing", async () => {
    const { reply, traceback, text } = await kernel.execute('console.log("not run");\nconst n: string = 3;');
    expect(reply.ename).toBe("TypeScriptError");
    expect(traceback).toContain("TS2322: Type 'number' is not assignable to type 'string'.");
    expect(traceback).toContain(">   2 | const n: string = 3;");
    expect(text).toBe("");
  });

  it("keeps the variables of a cell that failed, and goes on counting", async () => {
    await kernel.execute('const kept = { a: 5 }; throw new Error("after");');
    expect(valueOf(await kernel.execute("kept.a"))).toEqual({ "text/plain": "5" });
  });

  it("aborts what was queued behind a failing cell", async () => {
    const first = kernel.execute('throw new Error("stop here");');
    const second = kernel.execute('console.log("must not run");');
    expect((await first).status).toBe("error");
    expect(await second).toMatchObject({ status: "aborted", outputs: [] });
    expect((await kernel.execute("1")).status).toBe("ok");
  });

  it("fails a cell that leaves a rejection unhandled, but not one that handles it later", async () => {
    const left = await kernel.execute('void Promise.reject(new Error("nobody looked"));');
    expect(left.reply).toMatchObject({ status: "error", evalue: "nobody looked" });
    const handled = await kernel.execute(
      "const late = Promise.reject(new Error('looked at')); await new Promise((done) => setTimeout(done, 5)); await late.catch(() => 0)",
    );
    expect(handled.status).toBe("ok");
  });

  it("ends a cell when something it started throws where nobody can catch it", async () => {
    const { reply } = await kernel.execute(
      'setTimeout(() => { throw new Error("from a timer"); }, 1); await new Promise(() => {});',
    );
    expect(reply).toMatchObject({ status: "error", evalue: "from a timer" });
  });

  it("refuses standard input and the end of the process", async () => {
    const read = await kernel.execute("for await (const line of process.stdin) console.log(line);");
    expect(read.reply.evalue).toContain("Cells cannot read standard input");
    const exit = await kernel.execute("process.exit(3);");
    expect(exit.reply.evalue).toContain("would end the kernel");
  });
});

describe("requests", () => {
  it("completes with types", async () => {
    await kernel.execute('const names = ["a"];');
    const code = "names.flat";
    const reply = await kernel.request("complete_request", { code, cursor_pos: code.length });
    expect(reply).toMatchObject({ status: "ok", cursor_start: 6, cursor_end: 10 });
    expect(reply.matches).toEqual(expect.arrayContaining(["flatMap", "flat"]));
    expect(reply.metadata).toMatchObject({
      _jupyter_types_experimental: expect.arrayContaining([{ text: "flatMap", type: "method" }]) as unknown,
    });
  });

  it("counts positions in code points", async () => {
    const code = 'const s = "😀"; names.le';
    const reply = await kernel.request("complete_request", { code, cursor_pos: [...code].length });
    expect((reply.matches as string[])[0]).toBe("length");
    expect(reply.cursor_start).toBe([...code].length - 2);
  });

  it("inspects a name, and within a call what is called", async () => {
    const code = "/** Doubles. */\nfunction twice(n: number): number { return 2 * n; }\ntwice(";
    const reply = await kernel.request("inspect_request", { code, cursor_pos: code.length, detail_level: 0 });
    expect(reply).toMatchObject({ found: true });
    expect((reply.data as Record<string, string>)["text/plain"]).toMatch(/twice\(n: number\): number[^]*Doubles\./);
    expect(await kernel.request("inspect_request", { code: "  ", cursor_pos: 1 })).toMatchObject({ found: false });
  });

  it("knows unfinished code, its history and that it has no comms", async () => {
    expect(await kernel.request("is_complete_request", { code: "for (;;) {" })).toMatchObject({ status: "incomplete" });
    expect(await kernel.request("is_complete_request", { code: "1 + 1" })).toEqual({ status: "complete" });
    await kernel.execute('"remember me"');
    const { history } = await kernel.request("history_request", { hist_access_type: "tail", n: 1 });
    expect(history).toEqual([[0, expect.any(Number), '"remember me"']]);
    expect(await kernel.request("comm_info_request", {})).toEqual({ status: "ok", comms: {} });
  });

  it("answers while a cell runs", async () => {
    const running = kernel.execute('console.log("waiting"); await new Promise(() => {});');
    await kernel.printed("waiting");
    expect(await kernel.request("kernel_info_request", {})).toMatchObject({ implementation: "lory" });
    expect(await kernel.request("complete_request", { code: "names", cursor_pos: 5 })).toMatchObject({ status: "ok" });
    await kernel.until(() => kernel.published.at(-1)?.content.execution_state === "busy");
    await kernel.control("interrupt_request");
    expect((await running).reply.ename).toBe("Interrupted");
  });
});
