import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { holder, isAlive, takeLock, type Holder } from "./lock.mjs";

let folder: string;
let file: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-lock-"));
  file = path.join(folder, "deep", "lock");
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const nobody = () => expect.unreachable("waited for nobody");
const endedPid = () => spawnSync(process.execPath, ["-e", ""]).pid;

function leaveLock(content: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}

describe("takeLock", () => {
  it("names its holder and leaves no file when released", async () => {
    const lock = await takeLock(file, nobody);
    expect(JSON.parse(fs.readFileSync(file, "utf8"))).toEqual([holder(process.pid)]);
    lock.release();
    expect(fs.readdirSync(path.dirname(file))).toEqual([]);
  });

  it("is passed on one by one", async () => {
    const order: string[] = [];
    const work = async (name: string) => {
      const lock = await takeLock(file, () => undefined);
      order.push(`${name} in`);
      await new Promise(setImmediate);
      order.push(`${name} out`);
      lock.release();
    };
    await Promise.all(["a", "b", "c"].map(work));
    for (let i = 0; i < order.length; i += 2) expect(order[i + 1]).toBe(order[i]?.replace("in", "out"));
    expect(order).toHaveLength(6);
  });

  it("waits for a process that lives, and says for whom", async () => {
    const other = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    await once(other, "spawn");
    leaveLock(JSON.stringify([holder(other.pid!)]));
    const waited: Holder[] = [];
    const lock = await takeLock(file, (blocking) => {
      waited.push(blocking);
      other.stdin.end();
    });
    expect(waited.map(({ pid }) => pid)).toEqual([other.pid]);
    lock.release();
  });

  it("is taken over from a process that was killed", async () => {
    leaveLock(JSON.stringify([{ pid: endedPid(), started: "" }]));
    (await takeLock(file, nobody)).release();
  });

  it("is taken over from an earlier process whose id another one has now", async () => {
    leaveLock(JSON.stringify([{ pid: process.ppid, started: "another time" }]));
    (await takeLock(file, nobody)).release();
  });

  it("is kept by a program that goes on working for a killed holder", async () => {
    const program = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    await once(program, "spawn");
    const first = await takeLock(file, nobody);
    first.note(program.pid);
    const [, working] = JSON.parse(fs.readFileSync(file, "utf8")) as Holder[];
    leaveLock(JSON.stringify([{ pid: endedPid(), started: "" }, working]));
    let waitedFor = 0;
    const second = await takeLock(file, ({ pid }) => {
      waitedFor = pid;
      program.stdin.end();
    });
    expect(waitedFor).toBe(program.pid);
    second.release();
  });

  it("is taken over when the file is damaged and old", async () => {
    leaveLock('[{"pid":');
    const longAgo = new Date(Date.now() - 60_000);
    fs.utimesSync(file, longAgo, longAgo);
    (await takeLock(file, nobody)).release();
  });
});

describe("isAlive", () => {
  it("knows this process and one that has ended", () => {
    expect(isAlive(holder(process.pid))).toBe(true);
    expect(isAlive({ pid: endedPid(), started: "" })).toBe(false);
  });
});
