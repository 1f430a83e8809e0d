import { crc32, deflateSync, inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { indexedPng, opaquePixels } from "./indexed-png";

/** A PNG as browsers write it, each row filtered in another way: `color` gives [red, green, blue, alpha]. */
function truecolor(width: number, height: number, color: (x: number, y: number) => readonly number[]): Buffer {
  const raw = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (__, x) => color(x, y)).flat());
  const rows = raw.flatMap((row, y) => [
    y % 5,
    ...row.map((value, i) => {
      const [left, up, corner] = [row[i - 4] ?? 0, raw[y - 1]?.[i] ?? 0, i < 4 ? 0 : (raw[y - 1]?.[i - 4] ?? 0)];
      const near = [left, up, corner].sort(
        (a, b) => Math.abs(left + up - corner - a) - Math.abs(left + up - corner - b),
      );
      return (value - [0, left, up, (left + up) >> 1, near[0]][y % 5]) & 255;
    }),
  ]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6], 8);
  const chunk = (type: string, data: Buffer): Buffer => {
    const [size, sum, named] = [Buffer.alloc(4), Buffer.alloc(4), Buffer.concat([Buffer.from(type), data])];
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([size, named, sum]);
  };
  const data = deflateSync(Buffer.from(rows));
  // In two parts, as long ones come.
  const parts = [data.subarray(0, 9), data.subarray(9)].map((part) => chunk("IDAT", part));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([signature, chunk("IHDR", header), ...parts, chunk("IEND", Buffer.alloc(0))]);
}

/** The colours of a PNG with a palette, row by row. */
function colorsOf(png: Buffer, width: number): number[] {
  const parts = new Map<string, Buffer>();
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const named = png.subarray(at + 4, at + 8 + png.readUInt32BE(at));
    expect(png.readUInt32BE(at + 4 + named.length)).toBe(crc32(named));
    parts.set(named.toString("latin1", 0, 4), named.subarray(4));
  }
  const entries = parts.get("PLTE")!;
  expect(entries.length).toBeLessThanOrEqual(768);
  const places = [...inflateSync(parts.get("IDAT")!)].filter((_, i) => i % (width + 1) > 0);
  return places.map((place) => entries.readUIntBE(3 * place, 3));
}

it("keeps a picture of few colours exactly", () => {
  const png = truecolor(20, 9, (x, y) => [20 * (x % 12), 28 * (y % 9), (x * y) % 2 ? 255 : 7, 255]);
  const { width, height, colors } = opaquePixels(png)!;
  expect([width, height]).toEqual([20, 9]);
  expect(colors[20 * 2 + 3]).toBe((60 << 16) | (56 << 8) | 7);
  expect(colorsOf(indexedPng(png), 20)).toEqual([...colors]);
});

it("shows near colours as one where there are many, and the most frequent ones exactly", () => {
  const png = truecolor(120, 100, (x, y) => (y < 60 ? [255, 255, 255, 255] : [2 * x, 2 * y, (x + y) % 256, 255]));
  const { colors } = opaquePixels(png)!;
  const small = indexedPng(png);
  const shown = colorsOf(small, 120);
  expect(new Set(colors).size).toBeGreaterThan(256);
  expect(shown.slice(0, 60 * 120).every((color) => color === 0xffffff)).toBe(true);
  const errors = shown.flatMap((color, i) =>
    [16, 8, 0].map((s) => Math.abs(((color >> s) & 255) - ((colors[i] >> s) & 255))),
  );
  expect(Math.max(...errors)).toBeLessThan(24);
});

it("leaves transparent pictures and other kinds as they are", () => {
  const png = truecolor(4, 4, (x) => [0, 0, 0, x === 3 ? 100 : 255]);
  expect(indexedPng(png)).toBe(png);
  const indexed = indexedPng(truecolor(4, 4, () => [1, 2, 3, 255]));
  expect(indexedPng(indexed)).toBe(indexed);
});
