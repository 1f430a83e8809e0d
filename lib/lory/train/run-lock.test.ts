import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { acquireRunLock } from "./run-lock";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "run-lock-"));
  file = path.join(folder, "run.lock");
});
afterEach(() => fs.rm(folder, { recursive: true }));

async function holder(change: object): Promise<void> {
  const lock = await acquireRunLock(file);
  const own = JSON.parse(await fs.readFile(file, "utf8")) as object;
  await lock.release();
  await fs.writeFile(file, JSON.stringify({ ...own, ...change }));
}

it("is held by one at a time, and leaves nothing behind", async () => {
  const lock = await acquireRunLock(file);
  await expect(acquireRunLock(file)).rejects.toThrow(/being trained in this process already/);
  await lock.release();
  const again = await acquireRunLock(file);
  await again.release();
  expect(await fs.readdir(folder)).toEqual([]);
});

it("of another living process is respected, by its number", async () => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
  await once(child, "spawn");
  const stat = await fs.readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => "");
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  await holder({ pid: child.pid, started });
  await expect(acquireRunLock(file)).rejects.toThrow(`process ${child.pid}`);
  child.stdin.end();
  await once(child, "exit");
  const lock = await acquireRunLock(file);
  await lock.release();
});

it("of a process that is gone, its number given to another, is taken over", async () => {
  await holder({ started: "1" });
  const lock = await acquireRunLock(file);
  expect(JSON.parse(await fs.readFile(file, "utf8"))).toMatchObject({ pid: process.pid });
  await lock.release();
  expect(await fs.readdir(folder)).toEqual([]);
});

it("of another machine is respected", async () => {
  await holder({ host: "elsewhere" });
  await expect(acquireRunLock(file)).rejects.toThrow(/on elsewhere; if that is not so any more, delete/);
});

it("is won by exactly one of many that find it stale at once", async () => {
  await holder({ started: "1", nonce: "stale" });
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => acquireRunLock(file)));
  expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await fs.readdir(folder)).toEqual(["run.lock"]);
});

/** A process that ends, as by `kill -9`, where it is about to remove its first file. */
async function takerKilledAtRemoval(): Promise<void> {
  const program = `
    const fs = require("node:fs/promises");
    fs.rm = () => process.kill(process.pid, "SIGKILL");
    void require("./run-lock").acquireRunLock(${JSON.stringify(file)});`;
  const args = ["--require", "ts-node/register/transpile-only", "--eval", program];
  const child = spawn(process.execPath, args, { cwd: __dirname, stdio: ["ignore", "ignore", "inherit"] });
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
}

it("is taken over after processes were killed that had claimed to remove it, or the claim of another", async () => {
  await holder({ started: "1", nonce: "stale" });
  for (const killed of [1, 2, 3]) {
    await takerKilledAtRemoval();
    expect(await fs.readdir(folder)).toHaveLength(1 + 2 * killed); // each one's draft and claim
  }
  const lock = await acquireRunLock(file);
  expect(JSON.parse(await fs.readFile(file, "utf8"))).toMatchObject({ pid: process.pid });
  await lock.release();
  expect(await fs.readdir(folder)).toEqual([]);
});

it("that cannot be read is an error that says what to do", async () => {
  await fs.writeFile(file, "{");
  await expect(acquireRunLock(file)).rejects.toThrow(/cannot be read; if no process trains this run, delete it/);
});

it("leaves nothing of processes that died while they took it", async () => {
  await fs.writeFile(`${file}.${"0".repeat(8)}`, "{");
  const lock = await acquireRunLock(file);
  await lock.release();
  expect(await fs.readdir(folder)).toEqual([]);
});
