import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { DeviceBuffer } from "./buffer";
import { PjrtError } from "./errors";
import { findPlugin } from "./find";
import { openClient } from "./open";
import { loadPlugin } from "./plugin";

const client = openClient("cpu");

/** C = A B as StableHLO, repeated on the result so that it takes a while. */
function matmul(rows: number, inner: number, columns: number, repeats = 1): string {
  const [a, b, c] = [
    `tensor<${rows}x${inner}xf32>`,
    `tensor<${inner}x${columns}xf32>`,
    `tensor<${rows}x${columns}xf32>`,
  ];
  const steps = Array.from({ length: repeats }, (_, i) => {
    const left = i === 0 ? "%a" : `%${i - 1}`;
    return `%${i} = stablehlo.dot_general ${left}, %b, contracting_dims = [1] x [0] : (${i === 0 ? a : c}, ${b}) -> ${c}`;
  });
  return `module @matmul {
    func.func public @main(%a: ${a}, %b: ${b}) -> ${c} {
      ${steps.join("\n")}
      return %${repeats - 1} : ${c}
    }
  }`;
}

/** Adds 1; with `donate`, the argument's memory becomes the result's. */
function increment(elements: number, donate: boolean): string {
  const type = `tensor<${elements}xf32>`;
  return `func.func @main(%x: ${type}${donate ? " {tf.aliasing_output = 0 : i32}" : ""}) -> ${type} {
    %one = stablehlo.constant dense<1.0> : ${type}
    %0 = stablehlo.add %x, %one : ${type}
    return %0 : ${type}
  }`;
}

const upload = (data: Float32Array, dims: number[] = [data.length]): DeviceBuffer =>
  client.bufferFromHost(data, "f32", dims);

/** Turns of the event loop until the promise settles. */
async function turnsDuring(promise: Promise<unknown>): Promise<number> {
  let turns = 0;
  let settled = false;
  const count = (): void => {
    turns++;
    if (!settled) setImmediate(count);
  };
  setImmediate(count);
  await promise.finally(() => (settled = true));
  return turns;
}

describe("execute", () => {
  it("multiplies matrices as a plain loop does", async () => {
    const [rows, inner, columns] = [5, 7, 3];
    const a = Float32Array.from({ length: rows * inner }, (_, i) => Math.sin(i));
    const b = Float32Array.from({ length: inner * columns }, (_, i) => Math.cos(i));
    const program = await client.compile(matmul(rows, inner, columns));
    expect(program).toMatchObject({
      name: "matmul",
      numOutputs: 1,
      outputTypes: ["f32"],
      outputDims: [[rows, columns]],
    });
    const [c] = program.execute([upload(a, [rows, inner]), upload(b, [inner, columns])]);
    const values = await c.toHost();
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[k * columns + j];
        expect(values[i * columns + j]).toBeCloseTo(sum, 5);
      }
    }
  });

  it("returns outputs in row-major order, of several types, zero-size ones too", () => {
    const program = client.compileSync(`func.func @main(%x: tensor<2x3xf32>) ->
        (tensor<3x2xf32>, tensor<i32>, tensor<0x4xf32>, tensor<2x3xi1>) {
      %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
      %1 = stablehlo.constant dense<-7> : tensor<i32>
      %2 = stablehlo.constant dense<1.0> : tensor<0x4xf32>
      %3 = stablehlo.compare GT, %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>
      return %0, %1, %2, %3 : tensor<3x2xf32>, tensor<i32>, tensor<0x4xf32>, tensor<2x3xi1>
    }`);
    expect(program.outputTypes).toEqual(["f32", "s32", "f32", "pred"]);
    expect(program.outputDims).toEqual([[3, 2], [], [0, 4], [2, 3]]);
    const outputs = program.execute([upload(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])]);
    expect(outputs.map((output) => output.toHostSync())).toEqual([
      Float32Array.of(1, 4, 2, 5, 3, 6),
      Int32Array.of(-7),
      new Float32Array(0),
      new Uint8Array(6),
    ]);
  });

  it("runs programs without arguments or without results", () => {
    expect(client.compileSync("func.func @main() { return }").execute([])).toEqual([]);
  });

  it("refuses a wrong number of arguments, a wrong size, a destroyed one and another client's", () => {
    const program = client.compileSync(increment(4, false));
    const fits = upload(new Float32Array(4));
    expect(() => program.execute([])).toThrow(PjrtError);
    expect(() => program.execute([fits, fits])).toThrow(PjrtError);
    expect(() => program.execute([upload(new Float32Array(5))])).toThrow(PjrtError);
    const other = loadPlugin(findPlugin("cpu")).createClient({ cpu_device_count: 1 });
    const foreign = other.bufferFromHost(new Float32Array(4), "f32", [4]);
    expect(() => program.execute([foreign])).toThrow("belongs to another client");
    other.destroy();
    fits.destroy();
    expect(() => program.execute([fits])).toThrow("a destroyed device buffer was used: f32[4]");
  });

  it("refuses a program that spans devices", () => {
    const own = loadPlugin(findPlugin("cpu")).createClient({ cpu_device_count: 2 });
    const program = own.compileSync(increment(4, false), { numPartitions: 2, useShardy: true });
    expect(() => program.execute([own.bufferFromHost(new Float32Array(4), "f32", [4])])).toThrow("2 devices");
    own.destroy();
  });

  it("reports what goes wrong while it runs as a PjrtError with its code", async () => {
    // 2^48 bytes: more than a process can address.
    const program = client.compileSync(`func.func @main(%x: tensor<f32>) -> tensor<70368744177664xf32> {
      %0 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<70368744177664xf32>
      return %0 : tensor<70368744177664xf32>
    }`);
    const failure = await Promise.resolve()
      .then(() => program.execute([upload(Float32Array.of(1), [])])[0].ready())
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PjrtError);
    expect(failure).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });
});

describe("donation", () => {
  it("puts the output where the argument was, and deletes the argument", () => {
    const program = client.compileSync(increment(1000, true));
    let state = upload(new Float32Array(1000));
    const place = state.unsafePointer();
    for (let step = 1; step <= 3; step++) {
      const [next] = program.execute([state]);
      expect(next.unsafePointer()).toBe(place);
      expect(state.isDeleted()).toBe(true);
      expect(state.isDestroyed).toBe(false);
      const donated = state;
      expect(() => donated.toHostSync()).toThrow(PjrtError);
      expect(() => program.execute([donated])).toThrow(PjrtError);
      state.destroy();
      state = next;
    }
    expect(state.isDeleted()).toBe(false);
    expect(state.toHostSync()).toEqual(new Float32Array(1000).fill(3));
  });

  it("happens only where the program asks for it", () => {
    const argument = upload(new Float32Array(1000));
    const [output] = client.compileSync(increment(1000, false)).execute([argument]);
    expect(argument.isDeleted()).toBe(false);
    expect(output.unsafePointer()).not.toBe(argument.unsafePointer());
    expect(argument.toHostSync()).toEqual(new Float32Array(1000));
  });
});

describe("the event loop", () => {
  const size = 1000;
  const slow = matmul(size, size, size, 12);

  it("stays free while a program compiles, and while its outputs are computed and read", async () => {
    const compiling = client.compile(slow);
    expect(await turnsDuring(compiling)).toBeGreaterThan(20);
    const program = await compiling;
    const a = upload(new Float32Array(size * size), [size, size]);
    expect(await turnsDuring(program.execute([a, a])[0].toHost())).toBeGreaterThan(20);
    expect(await turnsDuring(program.execute([a, a])[0].ready())).toBeGreaterThan(20);
  });

  it("stays free while more outputs are awaited than native calls can wait at once", async () => {
    const program = await client.compile(matmul(200, 200, 200, 4));
    const a = upload(new Float32Array(200 * 200), [200, 200]);
    const reads = Array.from({ length: 400 }, () => program.execute([a, a])[0].toHost());
    expect(await turnsDuring(Promise.all(reads))).toBeGreaterThan(20);
    expect((await Promise.all(reads)).every((values) => values.length === 200 * 200)).toBe(true);
  });

  it("lets buffers and programs be destroyed while they are in use", async () => {
    const program = await client.compile(slow);
    const a = upload(new Float32Array(size * size).fill(1), [size, size]);
    const [output] = program.execute([a, a]);
    const reading = output.toHost();
    for (const used of [program, a, output]) used.destroy();
    expect((await reading)[0]).toBeGreaterThan(0);
  });
});

describe("memory", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const program = client.compileSync(increment(16, false));

  it("is not held by a thousand executions whose buffers are destroyed", () => {
    const before = client.liveBuffers;
    let state = upload(new Float32Array(16));
    for (let step = 0; step < 1000; step++) {
      const [next] = program.execute([state]);
      state.destroy();
      state.destroy();
      state = next;
    }
    expect(client.liveBuffers).toBe(before + 1);
    expect(state.toHostSync()).toEqual(new Float32Array(16).fill(1000));
    state.destroy();
    expect(client.liveBuffers).toBe(before);
  });

  it("is freed some time after buffers were dropped", async () => {
    const before = client.liveBuffers;
    for (let i = 0; i < 100; i++) program.execute([upload(new Float32Array(16))]);
    expect(client.liveBuffers).toBeGreaterThanOrEqual(before + 100);
    for (let turn = 0; turn < 50 && client.liveBuffers > before; turn++) {
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.liveBuffers).toBeLessThanOrEqual(before);
  });

  it("is planned at compile time: donated arguments are aliased", () => {
    const plan = client.compileSync(increment(1000, true)).memory();
    expect(plan).toMatchObject({ argumentBytes: 4000, aliasBytes: 4000 });
    expect(plan.outputBytes).toBeGreaterThanOrEqual(4000);
    expect(client.compileSync(increment(1000, false)).memory().aliasBytes).toBe(0);
  });
});

describe("serialize", () => {
  it("gives bytes that load as the same program", () => {
    const program = client.compileSync(matmul(2, 2, 2));
    const loaded = client.deserialize(program.serialize());
    expect(loaded).toMatchObject({ name: "matmul", outputTypes: ["f32"], outputDims: [[2, 2]] });
    const x = upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    expect(loaded.execute([x, x])[0].toHostSync()).toEqual(Float32Array.of(7, 10, 15, 22));
  });

  it("refuses bytes that are no program", () => {
    expect(() => client.deserialize(Buffer.from("not a program"))).toThrow(PjrtError);
  });

  it("shows the optimized program", () => {
    const { format, code } = client.compileSync(matmul(2, 2, 2)).optimizedProgram();
    expect(format).toMatch(/^hlo/);
    expect(code.includes("matmul")).toBe(true);
  });

  it("fails clearly after the program is destroyed", () => {
    const program = client.compileSync(increment(2, false));
    program.destroy();
    program.destroy();
    expect(() => program.serialize()).toThrow("after it was destroyed");
  });
});
