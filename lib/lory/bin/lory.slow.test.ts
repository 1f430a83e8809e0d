import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What the compiled program does here: it says how it was started, and ends as its argument says. */
const PROGRAM = `
  const [, , , how] = process.argv;
  if (how === "wait") {
    setTimeout(() => undefined, 60_000);
    for (const [i, name] of ["SIGINT", "SIGTERM", "SIGHUP"].entries()) process.on(name, () => process.exit(10 + i));
  }
  console.log(JSON.stringify({
    tunables: process.env.GLIBC_TUNABLES ?? null, args: process.argv.slice(2),
    isStarted: process.env.LORY_STARTED_BY === String(process.ppid), pid: process.pid,
  }));
  if (how === "status") process.exitCode = 3;
  if (how === "kill") process.kill(process.pid, "SIGKILL");`;

interface Started {
  readonly tunables: string | null;
  readonly args: readonly string[];
  readonly isStarted: boolean;
  readonly pid: number;
}

let folder: string;
beforeAll(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "lory-bin-"));
  await fs.mkdir(path.join(folder, "dist/cli"), { recursive: true });
  await fs.writeFile(path.join(folder, "dist/cli/main.js"), PROGRAM);
  await fs.mkdir(path.join(folder, "bin"));
  for (const name of ["lory.js", "huge-pages.js", "run-as-this.js"]) {
    await fs.copyFile(path.join(__dirname, name), path.join(folder, "bin", name));
  }
});
afterAll(() => fs.rm(folder, { recursive: true }));

async function start(args: string[], tunables?: string): Promise<{ child: ChildProcess; said: Started }> {
  const env = { ...process.env, GLIBC_TUNABLES: tunables };
  const child = spawn(process.execPath, [path.join(folder, "bin/lory.js"), ...args], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) return { child, said: JSON.parse(line) as Started };
  throw new Error("the program said nothing");
}

async function statusOf(child: ChildProcess): Promise<unknown> {
  if (child.exitCode === null) await once(child, "exit");
  return child.exitCode;
}

describe.runIf(process.platform === "linux")("lory", () => {
  it.each(["run", "sweep"])("%s computes with memory in huge pages, and ends as the program does", async (name) => {
    const { child, said } = await start([name, "status", "--set", "a b"]);
    expect(said).toMatchObject({ args: [name, "status", "--set", "a b"], isStarted: true });
    expect(said.tunables).toMatch(/^glibc\.malloc\.hugetlb=1/);
    expect(said.pid).not.toBe(child.pid);
    expect(await statusOf(child)).toBe(3);
    expect(await statusOf((await start([name, "kill"])).child)).toBe(137);
  });

  it("leaves the user's choice and other commands in their process", async () => {
    const chosen = await start(["run", "status"], "glibc.malloc.hugetlb=0");
    expect(chosen.said).toMatchObject({ tunables: "glibc.malloc.hugetlb=0", pid: chosen.child.pid });
    const other = await start(["logits", "status"]);
    expect(other.said).toMatchObject({ tunables: null, pid: other.child.pid });
    expect([await statusOf(chosen.child), await statusOf(other.child)]).toEqual([3, 3]);
  });

  it.each([
    ["SIGINT", 10],
    ["SIGTERM", 11],
    ["SIGHUP", 12],
  ] as const)("passes %s on", async (signal, status) => {
    const { child } = await start(["run", "wait"]);
    child.kill(signal);
    expect(await statusOf(child)).toBe(status);
  });
});
