import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { Client, findPlugin, loadPlugin, openClient } from "../pjrt";
import { binary, parameter, printModule, splat } from "../stablehlo";
import { XlaDevice } from "../trace/device";
import { identityOf } from "./identity";
import { openCache } from "./compile-cache";

const root = mkdtempSync(path.join(os.tmpdir(), "xla-cache-"));
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

let folders = 0;
const newFolder = () => path.join(root, String(folders++));
const start = (folder: string) => new XlaDevice("cpu", { XLA_CACHE_DIR: folder });
const TYPE = { dtype: "f32", shape: [3] } as const;

/** A program that adds `n`. */
function adder(n: number): string {
  const x = parameter(TYPE);
  return printModule({ name: "adder", parameters: [x], results: [binary("add", x, splat(n, "f32", [3]))] });
}

function run(device: XlaDevice, module: string): number[] {
  const x = device.client.bufferFromHost(Float32Array.of(1, 2, 3), "f32", [3]);
  return [...(device.execute(device.compile(module), [TYPE], [x])[0].toHostSync() as Float32Array)];
}

const entries = (folder: string) =>
  readdirSync(folder)
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).size > 100);

describe("a program", () => {
  it("is compiled once, and loaded by whoever comes later", async () => {
    const folder = newFolder();
    const [first, second, third] = [start(folder), start(folder), start(folder)];
    expect(run(first, adder(1))).toEqual([2, 3, 4]);
    expect(run(second, adder(1))).toEqual([2, 3, 4]);
    await third.compileAsync(adder(1));
    expect(run(third, adder(1))).toEqual([2, 3, 4]);
    expect([first, second, third].map((device) => device.compileCount)).toEqual([1, 0, 0]);
    expect(run(second, adder(2))).toEqual([3, 4, 5]);
    expect(second.compileCount).toBe(1);
  });

  it("is kept when a worker thread has compiled it, once for all who wait", async () => {
    const folder = newFolder();
    const device = start(folder);
    const [a, b] = await Promise.all([device.compileAsync(adder(1)), device.compileAsync(adder(1))]);
    expect(a).toBe(b);
    expect(device.compileCount).toBe(1);
    const next = start(folder);
    expect(run(next, adder(1))).toEqual([2, 3, 4]);
    expect(next.compileCount).toBe(0);
  });

  it("is compiled anew when its entry is damaged, cut or another's, which the plugin never sees", () => {
    const deserialize = vi.spyOn(Client.prototype, "deserialize");
    const folder = newFolder();
    run(start(folder), adder(1));
    const [entry] = entries(folder);
    const whole = readFileSync(entry);
    const damages: [string, () => void][] = [
      ...[0, 20, 60, whole.length >> 1, whole.length - 1].map((at): [string, () => void] => [
        `byte ${at}`,
        () =>
          writeFileSync(
            entry,
            Buffer.concat([whole.subarray(0, at), Buffer.of(whole[at] ^ 4), whole.subarray(at + 1)]),
          ),
      ]),
      ["empty", () => truncateSync(entry, 0)],
      ["cut", () => truncateSync(entry, whole.length - 100)],
      [
        "another program's",
        () => {
          const other = newFolder();
          run(start(other), adder(2));
          copyFileSync(entries(other)[0], entry);
        },
      ],
    ];
    for (const [name, damage] of damages) {
      damage();
      const device = start(folder);
      expect([name, ...run(device, adder(1))]).toEqual([name, 2, 3, 4]);
      expect(device.compileCount).toBe(1);
    }
    expect(deserialize).not.toHaveBeenCalled();
    const after = start(folder);
    run(after, adder(1));
    expect(after.compileCount).toBe(0);
    expect(deserialize).toHaveBeenCalledTimes(1);
  });

  it("is another one for other options, flags, processors and plugins", () => {
    const client = openClient("cpu");
    const plugin = loadPlugin(findPlugin("cpu"));
    const hashes = { plugin: "hash", kernels: "hash" };
    const identity = identityOf(client, plugin, hashes, {});
    expect(identityOf(client, plugin, { ...hashes, plugin: "other" }, {})).not.toEqual(identity);
    expect(identityOf(client, plugin, { ...hashes, kernels: "" }, {})).not.toEqual(identity);
    expect(identityOf(client, plugin, hashes, { XLA_FLAGS: "--xla_cpu_enable_fast_math" })).not.toEqual(identity);
    expect(identityOf(client, plugin, hashes, { HOME: "/elsewhere" })).toEqual(identity);
    expect(identity.processor).toContain(os.cpus()[0].model);
    if (process.platform === "linux" && process.arch === "x64") expect(identity.processor).toContain(" sse2 ");

    const cache = openCache(client, plugin, { XLA_CACHE_DIR: newFolder() })!;
    const source = { module: adder(1), options: {} };
    cache.save(source, client.compileSync(source.module));
    expect(cache.load(source)).toBeDefined();
    expect(cache.load({ ...source, options: { overrides: { xla_cpu_enable_fast_math: true } } })).toBeUndefined();
  });

  it("runs without a cache where there is none: switched off, not writable, or XLA is to dump what it compiles", () => {
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const file = path.join(root, "file");
    writeFileSync(file, "");
    for (const folder of ["off", file]) expect(run(start(folder), adder(1))).toEqual([2, 3, 4]);
    expect(warned).toHaveBeenCalledTimes(1);
    const dumping = { XLA_CACHE_DIR: newFolder(), XLA_FLAGS: "--xla_dump_to=/nowhere" };
    expect(openCache(openClient("cpu"), loadPlugin(findPlugin("cpu")), dumping)).toBeUndefined();
  });
});
