import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkRoom, digest, freeMegabytes, isStamped, stamped } from "./step.mjs";

let folder: string;
let stamp: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-step-"));
  stamp = path.join(folder, "made", ".stamp");
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

describe("stamped", () => {
  it("stamps work that succeeded with what it was made from", async () => {
    await stamped(
      stamp,
      () => "a",
      () => Promise.resolve(),
    );
    expect(isStamped(stamp, "a")).toBe(true);
    expect(isStamped(stamp, "b")).toBe(false);
  });

  it("takes the stamp away while the work is under way, and leaves it away when it fails", async () => {
    await stamped(
      stamp,
      () => "a",
      () => Promise.resolve(),
    );
    const failing = stamped(
      stamp,
      () => "a",
      () => {
        expect(isStamped(stamp, "a")).toBe(false);
        return Promise.reject(new Error("no network"));
      },
    );
    await expect(failing).rejects.toThrow("no network");
    expect(isStamped(stamp, "a")).toBe(false);
  });

  it("stamps what was there when the work began: a change meanwhile makes it out of date", async () => {
    let sources = "old";
    await stamped(
      stamp,
      () => sources,
      () => {
        sources = "new";
        return Promise.resolve();
      },
    );
    expect(isStamped(stamp, sources)).toBe(false);
  });
});

describe("digest", () => {
  it("tells apart what concatenation would not", () => {
    expect(digest("ab", "c")).not.toBe(digest("a", "bc"));
    expect(digest("ab", "")).not.toBe(digest("ab"));
    expect(digest("ab", Buffer.from("c"))).toBe(digest("ab", "c"));
  });
});

describe("checkRoom", () => {
  it("refuses a step that the disk has no room for, with both sizes", () => {
    const step = { id: "x", title: "A step", duration: "1 s", isDone: () => false, work: () => Promise.resolve() };
    expect(() => checkRoom({ ...step, megabytes: 0 })).not.toThrow();
    const tooMuch = freeMegabytes() + 1000;
    expect(() => checkRoom({ ...step, megabytes: tooMuch })).toThrow(
      new RegExp(`^A step: ${tooMuch} MB are needed and \\d+ MB are free in `),
    );
  });
});
