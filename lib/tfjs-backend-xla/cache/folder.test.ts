import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cacheFolder, cacheLimitBytes } from "./folder";

const root = mkdtempSync(path.join(os.tmpdir(), "xla-cache-folder-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("the folder of compiled programs", () => {
  it("is the checkout's own inside of a checkout", () => {
    const inside = path.join(root, "checkout", "lib", "engine", "cache");
    mkdirSync(inside, { recursive: true });
    writeFileSync(path.join(root, "checkout", "package.json"), '{"workspaces": ["lib/engine"]}');
    writeFileSync(path.join(root, "checkout", "lib", "engine", "package.json"), "{}");
    expect(cacheFolder({}, inside)).toBe(path.join(root, "checkout", ".cache", "xla"));
  });

  it.runIf(process.platform === "linux")("is the user's for a package that was installed", () => {
    const installed = path.join(root, "checkout", "node_modules", "tfjs-backend-xla", "dist");
    expect(cacheFolder({ XDG_CACHE_HOME: "/u/caches" }, installed)).toBe("/u/caches/tfjs-backend-xla");
    expect(cacheFolder({}, installed)).toBe(path.join(os.homedir(), ".cache", "tfjs-backend-xla"));
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" }, installed)).toBe(cacheFolder({}, installed));
  });

  it("is moved and switched off by a variable", () => {
    expect(cacheFolder({ XLA_CACHE_DIR: root })).toBe(root);
    for (const off of ["off", "OFF", "0", "none"]) expect(cacheFolder({ XLA_CACHE_DIR: off })).toBeUndefined();
  });

  it("has a limit", () => {
    expect(cacheLimitBytes({})).toBe(2 ** 31);
    expect(cacheLimitBytes({ XLA_CACHE_MAX_MB: "1.5" })).toBe(1.5 * 2 ** 20);
    for (const wrong of ["-1", "much", "0"])
      expect(() => cacheLimitBytes({ XLA_CACHE_MAX_MB: wrong })).toThrow(
        `XLA_CACHE_MAX_MB is "${wrong}": expected a positive number`,
      );
  });
});
