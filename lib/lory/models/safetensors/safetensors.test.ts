import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { useTestBackend } from "../../testing";
import { readSafetensors, writeSafetensors, writeSafetensorsFrom } from ".";

let folder: string;
let file: string;

beforeAll(async () => {
  await useTestBackend();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "safetensors-"));
});
beforeEach(() => {
  file = path.join(folder, `${expect.getState().currentTestName?.replace(/\W+/g, "-")}.safetensors`);
  tf.engine().startScope();
});
afterEach(() => tf.engine().endScope());
afterAll(() => fs.rm(folder, { recursive: true }));

/** A file from a header given literally, so that every way to be wrong can be written down. */
async function writeRaw(header: unknown, dataBytes: number, claimedLength?: number): Promise<void> {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimedLength ?? json.length));
  await fs.writeFile(file, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: "F32", shape, data_offsets: [begin, end] });

describe("a file that was written", () => {
  it("gives back the same names, shapes, dtypes and bits", async () => {
    const odd = new Float32Array([0, -0, 1e-45, 3.4e38, Infinity, -Infinity, NaN]);
    const tensors = [
      { name: "layers.0.ffn", tensor: tf.tensor(odd, [7, 1], "float32") },
      { name: "step", tensor: tf.scalar(-7, "int32") },
      { name: "nothing", tensor: tf.tensor([], [0, 3], "float32") },
    ];
    await writeSafetensors(file, tensors, { format: "test" });
    const read = await readSafetensors(file);
    expect(read.metadata).toEqual({ format: "test" });
    expect(read.tensors.map(({ name, tensor }) => [name, tensor.shape, tensor.dtype]).sort()).toEqual(
      tensors.map(({ name, tensor }) => [name, tensor.shape, tensor.dtype]).sort(),
    );
    const back = read.tensors.find(({ name }) => name === "layers.0.ffn")!;
    expect(Buffer.from((await back.tensor.data()).buffer)).toEqual(Buffer.from(odd.buffer));
  });

  it("is what the format's definition says, byte for byte", async () => {
    const { sizeBytes } = await writeSafetensors(file, [{ name: "a", tensor: tf.tensor1d([1, 2]) }]);
    const bytes = await fs.readFile(file);
    const headerBytes = Number(bytes.readBigUInt64LE());
    expect(headerBytes % 8).toBe(0);
    expect(JSON.parse(bytes.subarray(8, 8 + headerBytes).toString())).toEqual({ a: f32([2], 0, 8) });
    expect([bytes.readFloatLE(8 + headerBytes), bytes.readFloatLE(12 + headerBytes)]).toEqual([1, 2]);
    expect(bytes.length).toBe(sizeBytes);
  });

  it("is never written over another, and not left behind by an error", async () => {
    const tensors = [{ name: "a", tensor: tf.zeros([2]) }];
    await writeSafetensors(file, tensors);
    await expect(writeSafetensors(file, tensors)).rejects.toThrow(/EEXIST/);
    const gone = { name: "b", tensor: tf.zeros([2]) };
    gone.tensor.dispose();
    await expect(writeSafetensors(`${file}.2`, [...tensors, gone])).rejects.toThrow(/disposed/);
    await expect(fs.access(`${file}.2`)).rejects.toThrow(/ENOENT/);
  });

  it("cannot hold a dtype outside the table, nor one name twice", async () => {
    const flag = { name: "flag", tensor: tf.tensor1d([true], "bool") };
    await expect(writeSafetensors(file, [flag])).rejects.toThrow(
      'tensor "flag" is bool; float32 and int32 can be written',
    );
    const twice = [1, 2].map((value) => ({ name: "a", tensor: tf.scalar(value) }));
    await expect(writeSafetensors(file, twice)).rejects.toThrow('the name "a" is taken');
  });
});

describe("half precision", () => {
  it("is read as float32, without loss", async () => {
    const halves = [0x3c00, 0xc000, 0x0001, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0x03ff, 0x7e00];
    await writeRaw({ a: { dtype: "F16", shape: [9], data_offsets: [0, 18] } }, 0);
    await fs.appendFile(file, Buffer.from(new Uint16Array(halves).buffer));
    const [{ tensor }] = (await readSafetensors(file)).tensors;
    const expected = [1, -2, 2 ** -24, -0, 65504, Infinity, -Infinity, 1023 * 2 ** -24, NaN];
    expect([...(await tensor.data<"float32">())]).toEqual(expected);
  });

  it("bfloat16 rounds to the nearest, ties to even, and comes back as it was written", async () => {
    const values = Float32Array.of(
      1,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      -3.0e38,
      1 + 2 ** -8 + 2 ** -20,
      NaN,
      Infinity,
      2 ** -133,
    );
    const source = { name: "a", format: "BF16" as const, shape: [8], values: () => Promise.resolve(values) };
    await writeSafetensorsFrom(file, [source]);
    const [{ tensor }] = (await readSafetensors(file)).tensors;
    const rounded = [1, 1, 1 + 2 ** -6, expect.closeTo(-3.0e38, -36) as number, 1 + 2 ** -7, NaN, Infinity, 2 ** -133];
    expect([...(await tensor.data<"float32">())]).toEqual(rounded);
    const again = { ...source, values: async () => tensor.data<"float32">() };
    await writeSafetensorsFrom(`${file}.2`, [again]);
    expect((await fs.readFile(`${file}.2`)).equals(await fs.readFile(file))).toBe(true);
  });
});

describe("a damaged file is refused, naming the tensor", () => {
  it.each([
    ["overlap", { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /"b" overlaps/],
    ["gap", { a: f32([2], 0, 8), b: f32([1], 12, 16) }, 16, /"b" leaves a gap/],
    ["cut", { a: f32([2], 0, 8), b: f32([2], 8, 16) }, 12, /is cut: tensor "b"/],
    ["trailing bytes", { a: f32([2], 0, 8) }, 12, /4 bytes after the last tensor/],
    ["size", { a: f32([3], 0, 8) }, 8, /"a" spans 8 bytes; F32 of shape \[3\] needs 12/],
    ["dtype", { a: { dtype: "F8_E4M3", shape: [8], data_offsets: [0, 8] } }, 8, /"a" has dtype F8_E4M3/],
    ["inherited key as dtype", { a: { dtype: "toString", shape: [8], data_offsets: [0, 8] } }, 8, /dtype toString/],
    ["negative size", { a: f32([-2, -1], 0, 8) }, 8, /"a" has shape \[-2,-1\]/],
    ["offsets", { a: { dtype: "F32", shape: [2], data_offsets: [8] } }, 8, /"a" has offsets \[8\]/],
    ["entry", { a: 3 }, 0, /"a" has no description/],
    ["metadata", { __metadata__: { step: 3 } }, 0, /strings to strings/],
    ["header not an object", "[1,2]", 0, /not a JSON object/],
    ["header not JSON", "{oops", 0, /not JSON/],
  ])("%s", async (_case, header, dataBytes, message) => {
    await writeRaw(header, dataBytes);
    await expect(readSafetensors(file)).rejects.toThrow(message);
  });

  it("header longer than the file", async () => {
    await writeRaw({ a: f32([2], 0, 8) }, 8, 10_000);
    await expect(readSafetensors(file)).rejects.toThrow(/header claims 10000 bytes/);
    await fs.writeFile(file, "short");
    await expect(readSafetensors(file)).rejects.toThrow(/it has 5 bytes/);
  });
});

describe("expected tensors", () => {
  const spec = { name: "a", shape: [2], dtype: "float32" } as const;
  beforeEach(() => writeSafetensors(file, [{ name: "a", tensor: tf.zeros([2]) }]));

  it.each([
    ["missing", [spec, { ...spec, name: "b" }], 'lacks tensor "b"'],
    ["extra", [], 'holds tensor "a", which is not expected'],
    ["shape", [{ ...spec, shape: [2, 1] }], 'tensor "a" has shape [2], expected [2, 1]'],
    ["dtype", [{ ...spec, dtype: "int32" as const }], 'tensor "a" is float32, expected int32'],
  ])("%s", async (_case, expected, message) => {
    const before = tf.memory().numTensors;
    await expect(readSafetensors(file, expected)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("all there", async () => {
    expect((await readSafetensors(file, [spec])).tensors).toHaveLength(1);
  });
});
