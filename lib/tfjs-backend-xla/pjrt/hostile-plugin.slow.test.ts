import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PluginError } from "./errors";
import { findPlugin } from "./find";
import { loadPlugin } from "./plugin";
import { tryInChild } from "./trial";

const scratch = mkdtempSync(path.join(os.tmpdir(), "pjrt-hostile-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function hasCompiler(): boolean {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return process.platform === "linux";
  } catch {
    return false;
  }
}

/** A shared library of this source. */
function library(name: string, source: string): string {
  const code = path.join(scratch, `${name}.c`);
  const file = path.join(scratch, `${name}.so`);
  writeFileSync(code, source);
  execFileSync("cc", ["-shared", "-fPIC", "-o", file, code]);
  return file;
}

/** GetPjrtApi gives a table of 2000 bytes with this version, and these functions' addresses. */
const table = (major: number, minor: number, initialize: string) => `
  #include <stdlib.h>
  static long run(long *args) { ${initialize} return 0; }
  static long api[250];
  void *GetPjrtApi(void) {
    api[0] = 2000;
    ((int *)api)[8] = ${major};
    ((int *)api)[9] = ${minor};
    for (int i = 5; i < 250; i++) api[i] = (long)run;
    return api;
  }`;

describe.runIf(hasCompiler())("a library that is no plugin", () => {
  it.each([
    {
      name: "constructor",
      source: `#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { abort(); }`,
      message: "is ended by it (SIGABRT) while it is opened",
    },
    {
      name: "exits",
      source: `#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { _Exit(0); }`,
      message: "is ended by it (it exits) while it is opened",
    },
    {
      name: "segfault",
      source: `void *GetPjrtApi(void) { return *(void *volatile *)8; }`,
      message: "is ended by it (SIGSEGV) while GetPjrtApi runs",
    },
    {
      name: "nonsense",
      source: `void *GetPjrtApi(void) { return (void *)12345; }`,
      message: "is ended by it (SIGSEGV) while its table of functions is read",
    },
    {
      name: "initialize",
      source: table(0, 100, "abort();"),
      message: "is ended by it (SIGABRT) while it is initialized",
    },
    { name: "null", source: `void *GetPjrtApi(void) { return 0; }`, message: "its GetPjrtApi gives nothing" },
    { name: "major", source: table(1, 0, "abort();"), message: "speaks version 1.0 of the PJRT C API" },
    { name: "minor", source: table(0, 999, ""), message: "speaks version 0.999 of the PJRT C API" },
    { name: "no-symbol", source: `int x;`, message: "it exports no GetPjrtApi" },
    {
      name: "missing-library",
      source: `extern void not_there(void);\n__attribute__((constructor)) static void start(void) { not_there(); }`,
      message: "not_there",
    },
  ])("is refused, and this process goes on: $name", ({ name, source, message }) => {
    const file = library(name, source);
    expect(() => loadPlugin(file)).toThrow(PluginError);
    expect(() => loadPlugin(file)).toThrow(message);
  });

  it("is given up when it does not come to an end", () => {
    const file = library("endless", `void *GetPjrtApi(void) { for (;;) ; }`);
    expect(() => tryInChild(file, 0, 1500)).toThrow("does not come to an end in 1.5 s while GetPjrtApi runs");
  });
});

describe("a plugin under an unknown name", () => {
  it("is loaded once it was tried", () => {
    const file = path.join(scratch, "renamed.so");
    copyFileSync(findPlugin("cpu"), file);
    expect(() => tryInChild(file, 0)).not.toThrow();
    expect(() => loadPlugin(file)).not.toThrow();
  });
});
