import { describe, expect, it } from "vitest";
import { openClient } from "./open";
import { ELEMENT_TYPES, type ElementType, type TypedArray } from "./types";

const client = openClient("cpu");
const ELEMENT_TYPE_NAMES = Object.keys(ELEMENT_TYPES) as ElementType[];

/** Arrays with a pattern of bits in every byte, NaNs and negative zeros among them; 0 and 1 for `pred`. */
function pattern(type: ElementType, count: number): TypedArray {
  const { allocate, entries } = ELEMENT_TYPES[type];
  const array = allocate(count * entries);
  const bytes = new Uint8Array(array.buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = type === "pred" ? i % 2 : (i * 37 + 0x7f) & 0xff;
  return array;
}

const bits = (array: TypedArray): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

describe.each(ELEMENT_TYPE_NAMES)("%s", (type) => {
  it.each([{ dims: [3, 5] }, { dims: [] }, { dims: [0, 4] }, { dims: [2, 1, 3, 1, 2] }])(
    "comes back from the device bit for bit, dimensions $dims",
    async ({ dims }) => {
      const data = pattern(
        type,
        dims.reduce((count, dim) => count * dim, 1),
      );
      const buffer = client.bufferFromHost(data, type, dims);
      expect(buffer.sizeBytes).toBe(data.byteLength);
      expect(buffer.dims).toEqual(dims);
      for (const back of [await buffer.toHost(), buffer.toHostSync()]) {
        expect(back.constructor).toBe(data.constructor);
        expect(bits(back).equals(bits(data))).toBe(true);
      }
      buffer.destroy();
    },
  );

  it("has the number that XLA gives to the type of a program's output", () => {
    const mlirType =
      { pred: "i1", bf16: "bf16", c64: "complex<f32>" }[type as string] ?? type.replace("s", "i").replace("u", "ui");
    const program = client.compileSync(
      `func.func @main(%x: tensor<2x${mlirType}>) -> tensor<2x${mlirType}> { return %x : tensor<2x${mlirType}> }`,
    );
    expect(program.outputTypes).toEqual([type]);
    const data = pattern(type, 2);
    const [output] = program.execute([client.bufferFromHost(data, type, [2])]);
    expect(bits(output.toHostSync()).equals(bits(data))).toBe(true);
  });
});
