import { afterEach, describe, expect, it, vi } from "vitest";
import type { Client } from "./client";
import { PjrtError } from "./errors";
import { findPlugin } from "./find";
import { addressOf } from "./memory";
import { openClient } from "./open";
import { loadPlugin } from "./plugin";

const client = openClient("cpu");
const made: Client[] = [];
const ownClient = (options = { cpu_device_count: 1 }): Client => {
  const own = loadPlugin(findPlugin("cpu")).createClient(options);
  made.push(own);
  return own;
};

afterEach(() => {
  for (const own of made.splice(0)) own.destroy();
});

const DOUBLE = `func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.add %x, %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}`;

describe("client", () => {
  it("says its platform and has one device by default", () => {
    expect(client.platformName).toBe("cpu");
    expect(client.platformVersion).not.toBe("");
    expect(client.devices).toHaveLength(1);
    const [device] = client.devices;
    expect(device).toMatchObject({ id: 0, kind: "cpu" });
    expect(device.description).toMatch(/cpu/i);
    expect(device.memoryStats()).toBeUndefined();
  });

  it("takes options, and refuses unknown ones with XLA's words", () => {
    const own = ownClient({ cpu_device_count: 3 });
    expect(own.devices.map((device) => device.id)).toEqual([0, 1, 2]);
    const refused = () => loadPlugin(findPlugin("cpu")).createClient({ no_such_option: 1 });
    expect(refused).toThrow(PjrtError);
    expect(refused).toThrow("no_such_option");
  });

  it("is shared by all who ask for the same options, in any order", () => {
    const plugin = loadPlugin(findPlugin("cpu"));
    expect(openClient("cpu")).toBe(client);
    expect(openClient("cpu", { cpu_device_count: 1 })).toBe(client);
    expect(plugin.client({ cpu_device_count: 2 })).not.toBe(client);
    expect(plugin.createClient({ cpu_device_count: 1 })).not.toBe(client);
  });

  it("is shared with a second load of the module, as after a reload of the library in a notebook", async () => {
    vi.resetModules();
    const reloaded = await import("./index.js");
    const other = reloaded.openClient("cpu");
    expect(other).not.toBe(client);
    const before = client.liveBuffers;
    const buffer = other.bufferFromHost(Float32Array.of(1, 2, 3), "f32", [3]);
    expect(client.liveBuffers).toBe(before + 1);
    expect((await other.compile(DOUBLE)).execute([buffer])[0].toHostSync()).toEqual(Float32Array.of(2, 4, 6));
    expect(() => other.compileSync("nonsense")).toThrow(reloaded.PjrtError);
  });

  it("is made anew when the shared one was destroyed", () => {
    const plugin = loadPlugin(findPlugin("cpu"));
    const first = plugin.client({ cpu_device_count: 2 });
    first.destroy();
    const second = plugin.client({ cpu_device_count: 2 });
    expect(second).not.toBe(first);
    expect(second.compileSync(DOUBLE).numOutputs).toBe(1);
    second.destroy();
  });

  it("frees all that lives in it when destroyed, and refuses use afterwards", () => {
    const own = ownClient();
    const program = own.compileSync(DOUBLE);
    const buffer = own.bufferFromHost(new Float32Array(3), "f32", [3]);
    own.destroy();
    own.destroy();
    expect(own.liveBuffers).toBe(0);
    expect(buffer.isDestroyed).toBe(true);
    expect(() => program.execute([buffer])).toThrow("after it was destroyed");
    expect(() => own.compileSync(DOUBLE)).toThrow("after it was destroyed");
    expect(() => own.bufferFromHost(new Float32Array(3), "f32", [3])).toThrow("after it was destroyed");
  });

  it("waits for a compilation that runs when it is destroyed, and has the compilation fail", async () => {
    const own = ownClient();
    const compiling = own.compile(DOUBLE);
    const queued = own.compile(DOUBLE);
    await new Promise((resolve) => setImmediate(resolve));
    own.destroy();
    await expect(compiling).rejects.toThrow("after it was destroyed");
    await expect(queued).rejects.toThrow("after it was destroyed");
  });
});

describe("bufferFromHost", () => {
  it("copies: a later change of the data is not seen", async () => {
    // Aligned as XLA wants it for using the caller's memory in place, which it must not do.
    const memory = new Float32Array((1 << 20) + 16);
    const skip = Number(-addressOf(memory) & 63n) / 4;
    const data = memory.subarray(skip, skip + (1 << 20)).fill(1);
    const buffer = client.bufferFromHost(data, "f32", [1 << 20]);
    data.fill(2);
    expect((await buffer.toHost()).every((x) => x === 1)).toBe(true);
  });

  it("takes a part of a larger array", () => {
    const data = Float32Array.of(9, 1, 2, 3, 9).subarray(1, 4);
    expect(client.bufferFromHost(data, "f32", [3]).toHostSync()).toEqual(Float32Array.of(1, 2, 3));
  });

  it("puts data on the device that is named", () => {
    const own = ownClient({ cpu_device_count: 2 });
    const buffer = own.bufferFromHost(Float32Array.of(4), "f32", [1], own.devices[1]);
    expect(buffer.toHostSync()).toEqual(Float32Array.of(4));
  });

  it("refuses data that do not fit the type or the dimensions", () => {
    expect(() => client.bufferFromHost(new Float32Array(5), "f32", [2, 3])).toThrow(
      new RangeError("host data has 5 entries: f32[2,3] takes 6"),
    );
    expect(() => client.bufferFromHost(new Int32Array(6), "f32", [2, 3])).toThrow(
      new TypeError("host data of f32 is a Int32Array: expected a Float32Array"),
    );
    expect(() => client.bufferFromHost(new Float32Array(2), "c64", [2])).toThrow("takes 4");
    expect(() => client.bufferFromHost(new Float32Array(1), "f32", [-1])).toThrow(RangeError);
    expect(() => client.bufferFromHost(new Float32Array(1), "f32", [0.5, 2])).toThrow(RangeError);
  });
});

describe("compile", () => {
  it("throws XLA's message for a malformed module", async () => {
    const failure = await client.compile("module { func.func @main() { nonsense } }").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PjrtError);
    expect(failure).toMatchObject({ name: "PjrtError", call: "Client_Compile" });
    expect((failure as PjrtError).message).toContain("nonsense");
  });

  it.each(["", "nonsense", "%0 = foo", "module {", "\0", "func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {"])(
    "survives the malformed module %j",
    async (module) => {
      expect(() => client.compileSync(module)).toThrow(PjrtError);
      await expect(client.compile(module)).rejects.toThrow(PjrtError);
      await expect(client.compile(Buffer.from(module))).rejects.toThrow(PjrtError);
    },
  );

  it("compiles deeply nested regions, which recurse on the native stack, on a worker thread too", async () => {
    const depth = 50;
    const open = Array.from({ length: depth }, (_, i) => `%${i} = "stablehlo.if"(%p) ({`).join("\n");
    const close = Array.from({ length: depth }, (_, i) => {
      const inner = depth - i;
      const value = inner === depth ? "%x" : `%${inner}`;
      return `stablehlo.return ${value} : tensor<f32> }, { stablehlo.return %x : tensor<f32> }) : (tensor<i1>) -> tensor<f32>`;
    }).join("\n");
    const nested = `func.func @main(%x: tensor<f32>, %p: tensor<i1>) -> tensor<f32> {
      ${open}
      ${close}
      return %0 : tensor<f32>
    }`;
    const program = await client.compile(nested);
    const args = [
      client.bufferFromHost(Float32Array.of(7), "f32", []),
      client.bufferFromHost(Uint8Array.of(1), "pred", []),
    ];
    expect(program.execute(args)[0].toHostSync()).toEqual(Float32Array.of(7));
  });

  it("passes XLA's flags on, and reports one that XLA does not know", () => {
    const program = client.compileSync(DOUBLE, {
      overrides: { xla_cpu_enable_fast_math: true, xla_backend_optimization_level: 1, xla_gpu_cuda_data_dir: "x" },
    });
    expect(program.numOutputs).toBe(1);
    expect(() => client.compileSync(DOUBLE, { overrides: { xla_no_such_flag: true } })).toThrow("xla_no_such_flag");
  });
});
