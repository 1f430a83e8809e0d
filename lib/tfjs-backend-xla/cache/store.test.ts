import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { EntryStore } from "./store";

const root = mkdtempSync(path.join(os.tmpdir(), "xla-cache-store-"));
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const warnings = () => vi.spyOn(console, "warn").mockImplementation(() => undefined);

function used(folder: string, name: string, seconds: number): void {
  utimesSync(path.join(folder, `${name}.xla`), seconds, seconds);
}

describe("a store", () => {
  it("makes its folder, keeps files whole, and leaves no other", async () => {
    const folder = path.join(root, "new", "xla");
    const store = new EntryStore(folder, 1000);
    expect(store.read("a")).toBeUndefined();
    expect(await store.readAsync("a")).toBeUndefined();
    expect(existsSync(folder)).toBe(false);
    store.write("a", Buffer.from("one"));
    store.write("a", Buffer.from("two"));
    expect(store.read("a")).toEqual(Buffer.from("two"));
    expect(await store.readAsync("a")).toEqual(Buffer.from("two"));
    expect(readdirSync(folder)).toEqual(["a.xla"]);
  });

  it("removes what was used least recently when the limit is exceeded", async () => {
    const folder = path.join(root, "limited");
    const store = new EntryStore(folder, 1000);
    for (const [i, name] of ["a", "b", "c"].entries()) {
      store.write(name, Buffer.alloc(300));
      used(folder, name, 1000 + i);
    }
    await store.trim();
    expect(readdirSync(folder)).toEqual(["a.xla", "b.xla", "c.xla"]);
    used(folder, "a", 2000);
    store.write("d", Buffer.alloc(300));
    await store.trim();
    expect(readdirSync(folder)).toEqual(["a.xla", "d.xla"]);
    store.write("huge", Buffer.alloc(1001));
    expect(store.read("huge")).toBeUndefined();
  });

  it("removes temporary files that ended processes have left, and no fresh ones", async () => {
    const folder = path.join(root, "left");
    mkdirSync(folder);
    for (const name of ["old.tmp", "fresh.tmp", "another's.txt"]) writeFileSync(path.join(folder, name), "x");
    utimesSync(path.join(folder, "old.tmp"), 1000, 1000);
    utimesSync(path.join(folder, "another's.txt"), 1000, 1000);
    await new EntryStore(folder, 1000).trim();
    expect(readdirSync(folder).sort()).toEqual(["another's.txt", "fresh.tmp"]);
  });

  it("says once that it cannot write, and goes on reading", () => {
    const warned = warnings();
    const file = path.join(root, "file");
    writeFileSync(file, "");
    const nowhere = new EntryStore(path.join(file, "below"), 1000);
    for (let i = 0; i < 3; i++) nowhere.write("a", Buffer.alloc(1));
    expect(nowhere.read("a")).toBeUndefined();
    expect(warned).toHaveBeenCalledTimes(1);

    const folder = path.join(root, "blocked");
    const store = new EntryStore(folder, 1000);
    store.write("a", Buffer.from("a"));
    mkdirSync(path.join(folder, "b.xla", "full"), { recursive: true });
    store.write("b", Buffer.from("b"));
    expect(warned).toHaveBeenCalledTimes(2);
    expect(store.read("a")).toEqual(Buffer.from("a"));
  });

  it.runIf(process.platform !== "win32")("neither reads nor writes where everyone may write", () => {
    const warned = warnings();
    const folder = path.join(root, "open");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "a.xla"), "a");
    chmodSync(folder, 0o777);
    const store = new EntryStore(folder, 1000);
    store.write("b", Buffer.from("b"));
    expect(store.read("a")).toBeUndefined();
    expect(readdirSync(folder)).toEqual(["a.xla"]);
    expect(warned).toHaveBeenCalledTimes(1);
    expect(warned.mock.lastCall?.[0]).toContain(`everyone may write to ${folder}`);
  });
});
