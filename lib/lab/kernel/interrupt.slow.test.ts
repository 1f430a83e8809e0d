import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KernelClient, type Execution } from "./kernel-client";
import { TemporaryWorkspace } from "./temporary-workspace";

let workspace: TemporaryWorkspace;
let kernel: KernelClient;

beforeAll(async () => {
  workspace = new TemporaryWorkspace();
  kernel = await KernelClient.start(workspace.kernelMain, workspace.notebooks);
  await kernel.execute(`
    const bridge = Reflect.get(globalThis, Symbol.for("lory.kernel"));
    const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
    const log: string[] = [];
    let kept = "set before";`);
});

afterAll(async () => {
  await kernel.close();
  workspace.remove();
});

/** Runs a cell, interrupts it once it has printed `running`, and checks that the kernel and its variables are still there. */
async function interrupted(code: string, ready: string, presses = 1): Promise<Execution> {
  const running = kernel.execute(code);
  await kernel.printed(ready);
  for (let press = 0; press < presses; press++) await kernel.control("interrupt_request");
  const result = await running;
  expect(result.reply).toMatchObject({ status: "error", ename: "Interrupted" });
  expect((await kernel.execute("kept")).outputs[0].content.data).toEqual({ "text/plain": "'set before'" });
  return result;
}

describe("interrupts", () => {
  it("break an await", async () => {
    await interrupted('console.log("r1"); await new Promise(() => {}); console.log("not reached");', "r1");
  });

  it("break a loop of awaited steps", async () => {
    await interrupted('console.log("r2"); for (;;) await sleep(1);', "r2");
  });

  it("break an await within a function of an earlier cell", async () => {
    await kernel.execute('async function forever() { console.log("r3"); for (;;) await sleep(1); }');
    await interrupted("await forever();", "r3");
  });

  it("break a synchronous loop at the start of a cell", async () => {
    const { traceback } = await interrupted('console.log("r4"); for (;;) {}', "r4");
    expect(traceback).toContain("in the middle of a computation");
  });

  it("break a synchronous loop that has shown all that was printed before it", async () => {
    await interrupted('console.log("once"); console.log("and at once again"); for (;;) {}', "and at once again");
  });

  it("break a synchronous loop after an await", async () => {
    await interrupted('await sleep(1); console.log("r5"); for (;;) {}', "r5");
  });

  it("break a synchronous loop in a timer, again and again", async () => {
    for (const ready of ["r11", "r12"]) {
      const code = `setTimeout(() => { console.log("${ready}"); for (;;) {} }, 1); await new Promise(() => {});`;
      await interrupted(code, ready);
    }
    expect((await kernel.execute("await sleep(1); await new Promise((done) => setImmediate(done));")).status).toBe(
      "ok",
    );
  });

  it("leave the JavaScript of a library alone that has taken the signal", async () => {
    const code = `const busy = (0, eval)("(signal) => { const end = Date.now() + 1500; while (Date.now() < end); return signal.aborted; }");
      const { signal } = bridge; console.log("r13"); busy(signal); log.push("computed to its end"); await sleep(100);`;
    await interrupted(code, "r13");
    const { outputs } = await kernel.execute("log.at(-1)");
    expect(outputs[0].content.data).toEqual({ "text/plain": "'computed to its end'" });
  });

  it("let a step in flight end where the library watches the signal, and close its generator", async () => {
    // Not rewritten by the compiler, as a library is not.
    await kernel.execute(`
      const train = (0, eval)(\`(async function* (signal, sleep, log) {
        try {
          for (let step = 0; !signal.aborted; step++) {
            if (step === 2) console.log("r6");
            await sleep(step === 2 ? 100 : 1);
            log.push("step " + step);
            yield step;
          }
        } finally { log.push("saved"); }
      })\`);`);
    await interrupted("for await (const step of train(bridge.signal, sleep, log)) log.push('seen ' + step);", "r6");
    const { outputs } = await kernel.execute("log.splice(0).slice(-6).join()");
    expect(outputs[0].content.data).toEqual({ "text/plain": "'step 0,seen 0,step 1,seen 1,step 2,saved'" });
  });

  it("close a generator that does not watch the signal", async () => {
    await kernel.execute(`
      async function* steps() { try { for (;;) { await sleep(1); yield 1; } } finally { log.push("closed"); } }`);
    await interrupted('console.log("r7"); for await (const _ of steps()) {}', "r7");
    const closed = await kernel.execute("await sleep(20); log.at(-1)");
    expect(closed.outputs[0].content.data).toEqual({ "text/plain": "'closed'" });
  });

  it("cut at the second press what takes the signal but does not obey", async () => {
    await interrupted('const taken = bridge.signal; console.log("r8"); await new Promise(() => {});', "r8", 2);
  });

  it("give up a cell that catches its interrupt", async () => {
    const { traceback } = await interrupted(
      'console.log("r9"); await (async () => { for (;;) { try { await sleep(1); } catch { await new Promise((done) => setImmediate(done)).catch(() => 0); } } })();',
      "r9",
    );
    expect(traceback).toContain("Interrupted");
  });

  it("leave a stopped cell's code stopped while the next one runs", async () => {
    await interrupted('console.log("r10"); for (;;) { await sleep(1); log.push("still"); }', "r10");
    const { outputs } = await kernel.execute("const before = log.length; await sleep(20); log.length - before");
    expect(outputs[0].content.data).toEqual({ "text/plain": "0" });
  });

  it("stop nothing when nothing runs", async () => {
    expect(await kernel.control("interrupt_request")).toEqual({ status: "ok" });
    expect((await kernel.execute("await sleep(1); 1")).status).toBe("ok");
  });
});

describe("the end", () => {
  it("comes with a shutdown request, also while a cell computes", async () => {
    const other = await KernelClient.start(workspace.kernelMain, workspace.notebooks);
    const cut = expect(other.execute('console.log("busy"); for (;;) {}')).rejects.toThrow("The kernel has ended");
    await other.printed("busy");
    const ended = once(other.process, "exit");
    expect(await other.control("shutdown_request", { restart: true })).toEqual({ status: "ok", restart: true });
    await ended;
    await cut;
    await other.close();
  });

  it("comes when the process that started the kernel is killed", async () => {
    const other = await KernelClient.start(workspace.kernelMain, workspace.notebooks, { byAnother: true });
    const closed = once(other.output, "close"); // the kernel holds its other end
    other.output.resume();
    other.process.kill("SIGKILL");
    await closed;
    await other.close();
  });

  it("runs exit listeners, also after an interrupt", async () => {
    const other = await KernelClient.start(workspace.kernelMain, workspace.notebooks);
    await other.execute('import fs from "node:fs"; process.on("exit", () => fs.writeFileSync("ended.txt", "yes"));');
    const cell = other.execute(
      'const { signal } = Reflect.get(globalThis, Symbol.for("lory.kernel")); console.log("on"); await new Promise((done) => signal.addEventListener("abort", done));',
    );
    await other.printed("on");
    await other.control("interrupt_request");
    await cell;
    const ended = once(other.process, "exit");
    await other.control("shutdown_request", { restart: false });
    expect(await ended).toEqual([0, null]);
    expect(workspace.read("notebooks/ended.txt")).toBe("yes");
    await other.close();
  });
});
