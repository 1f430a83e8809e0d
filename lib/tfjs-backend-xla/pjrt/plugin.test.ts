import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { PluginError } from "./errors";
import { findPlugin } from "./find";
import { checkApiVersion, loadPlugin } from "./plugin";

const scratch = mkdtempSync(path.join(tmpdir(), "pjrt-plugin-"));
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** A shared library of the system's that is no plugin. */
function someSharedLibrary(): string {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  const file = sharedObjects.find((object) => object.startsWith("/") && object.includes("libm."));
  if (file === undefined) throw new Error("this process has loaded no libm");
  return file;
}

describe("loadPlugin", () => {
  it("loads a plugin once, whatever path names it", () => {
    const plugin = loadPlugin(findPlugin("cpu"));
    expect(plugin.apiVersion.major).toBe(0);
    expect(plugin.attributes).toHaveProperty("stablehlo_current_version");
    expect(loadPlugin(path.relative(process.cwd(), plugin.path))).toBe(plugin);
  });

  it("says that a file is missing", () => {
    expect(() => loadPlugin("/no/such/plugin.so")).toThrow(
      new PluginError("there is no PJRT plugin at /no/such/plugin.so"),
    );
  });

  it("refuses a folder, an empty file and a text", () => {
    const text = path.join(scratch, "text.so");
    const empty = path.join(scratch, "empty.so");
    writeFileSync(text, "I am no library. ".repeat(100));
    writeFileSync(empty, "");
    expect(() => loadPlugin(scratch)).toThrow(PluginError);
    expect(() => loadPlugin(empty)).toThrow("it has only 0 bytes");
    expect(() => loadPlugin(text)).toThrow(PluginError);
    expect(() => loadPlugin(text)).toThrow("not a usable shared library");
  });

  it.runIf(process.platform === "linux")("refuses a truncated library before the system maps it", () => {
    const whole = someSharedLibrary();
    for (const bytes of [100, 5000, 100_000]) {
      const cut = path.join(scratch, `cut-${bytes}.so`);
      copyFileSync(whole, cut);
      truncateSync(cut, bytes);
      expect(() => loadPlugin(cut)).toThrow(PluginError);
      expect(() => loadPlugin(cut)).toThrow(`it is truncated, ${bytes} of`);
    }
  });

  it.runIf(process.platform === "linux")("refuses a library that exports no GetPjrtApi", () => {
    expect(() => loadPlugin(someSharedLibrary())).toThrow(PluginError);
    expect(() => loadPlugin(someSharedLibrary())).toThrow("it exports no GetPjrtApi");
  });
});

describe("checkApiVersion", () => {
  const check =
    (major: number, minor: number, bytes = 1144) =>
    () =>
      checkApiVersion("p.so", { major, minor }, bytes);

  it("takes the versions that were run", () => {
    for (const minor of [81, 106, 115, 116]) expect(check(0, minor)).not.toThrow();
  });

  it("refuses others, and says which are supported", () => {
    expect(check(1, 100)).toThrow(PluginError);
    expect(check(1, 100)).toThrow("p.so speaks version 1.100 of the PJRT C API: versions 0.81 to");
    expect(check(0, 80)).toThrow("version 0.80");
    expect(check(0, 1000)).toThrow("version 0.1000");
  });

  it("refuses a function table that is too short", () => {
    expect(check(0, 100, 200)).toThrow("lists PJRT functions in 200 bytes");
  });
});

describe("findPlugin", () => {
  const x64 = "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so";
  const arm64 = "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so";

  function environment(folder: string, library = x64): string {
    const file = path.join(scratch, folder, ".venv/lib/python3.99/site-packages", library);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, "");
    return file;
  }

  it("takes the environment variable's file, and says when there is none", () => {
    const file = path.join(scratch, "named.so");
    writeFileSync(file, "");
    vi.stubEnv("LORY_PJRT_CPU_PLUGIN", file);
    expect(findPlugin("cpu")).toBe(file);
    vi.stubEnv("LORY_PJRT_CPU_PLUGIN", `${file}.missing`);
    expect(() => findPlugin("cpu")).toThrow(PluginError);
    expect(() => findPlugin("cpu")).toThrow(`LORY_PJRT_CPU_PLUGIN is ${file}.missing: there is no such file`);
  });

  it("takes the nearest Python environment above that has the plugin", () => {
    vi.stubEnv("LORY_PJRT_CPU_PLUGIN", "");
    const outer = environment("outer");
    mkdirSync(path.join(scratch, "outer/inner/.venv"), { recursive: true });
    expect(findPlugin("cpu", [path.join(scratch, "outer/inner/deep")])).toBe(outer);
    const inner = environment("outer/inner");
    expect(findPlugin("cpu", [path.join(scratch, "outer/inner/deep")])).toBe(inner);
  });

  it("takes the wheel of another processor", () => {
    vi.stubEnv("LORY_PJRT_CPU_PLUGIN", "");
    const plugin = environment("arm", arm64);
    expect(findPlugin("cpu", [path.join(scratch, "arm")])).toBe(plugin);
  });

  it("says where it looked and how to install what is missing", () => {
    vi.stubEnv("LORY_PJRT_CUDA_PLUGIN", "");
    vi.stubEnv("LORY_PJRT_CPU_PLUGIN", "");
    const start = path.join(scratch, "nowhere");
    expect(() => findPlugin("cuda", [start])).toThrow(PluginError);
    expect(() => findPlugin("cuda", [start])).toThrow("LORY_PJRT_CUDA_PLUGIN is not set");
    expect(() => findPlugin("cuda", [start])).toThrow(start);
    expect(() => findPlugin("cuda", [start])).toThrow("npm run setup -- --cuda");
    expect(() => findPlugin("cpu", [start])).toThrow(/Install it with: npm run setup$/);
  });
});
