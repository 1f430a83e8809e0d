/**
 * PNG files (https://www.w3.org/TR/png) with a palette. Figures have few colours, and the blends of them along lines; a browser writes every pixel in
 * full, which takes three to five times as many bytes.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const TRUECOLOR_WITH_ALPHA = 6;
const INDEXED = 3;
const MAX_COLORS = 256;
const BYTES_A_PIXEL = 4;

/** Pixels of an opaque picture, row by row: 0xRRGGBB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly colors: Uint32Array;
}

/**
 * The same picture with 256 colours at most: exactly the same if it has no more, else the most frequent ones of groups of near colours. A picture of
 * another kind than browsers write, or with transparent pixels, is given back as it is.
 */
export function indexedPng(png: Buffer): Buffer {
  const pixels = opaquePixels(png);
  return pixels === undefined ? png : encoded(pixels, palette(pixels.colors));
}

/** The pixels of a PNG with 8 bits for each of red, green, blue and alpha, not interlaced; undefined for others, and where some are transparent. */
export function opaquePixels(png: Buffer): Pixels | undefined {
  const parts: Buffer[] = [];
  let header: Buffer | undefined;
  for (let at = SIGNATURE.length; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    const type = png.toString("latin1", at + 4, at + 8);
    if (type === "IHDR") header = data;
    if (type === "IDAT") parts.push(data);
  }
  const isKnown = header?.[8] === 8 && header[9] === TRUECOLOR_WITH_ALPHA && header[12] === 0;
  if (header === undefined || !isKnown) return undefined;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const bytes = unfiltered(inflateSync(Buffer.concat(parts)), width, height);
  const colors = new Uint32Array(width * height);
  for (let i = 0; i < colors.length; i++) {
    const at = BYTES_A_PIXEL * i;
    if (bytes[at + 3] !== 255) return undefined;
    colors[i] = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
  }
  return { width, height, colors };
}

/** Takes back each row's filter: what was subtracted of the pixels to the left and above. */
function unfiltered(rows: Buffer, width: number, height: number): Uint8Array {
  const length = BYTES_A_PIXEL * width;
  const bytes = new Uint8Array(length * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (length + 1)];
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x < BYTES_A_PIXEL ? 0 : bytes[at - BYTES_A_PIXEL];
      const up = y === 0 ? 0 : bytes[at - length];
      const corner = y === 0 || x < BYTES_A_PIXEL ? 0 : bytes[at - length - BYTES_A_PIXEL];
      const predicted = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter];
      bytes[at] = rows[y * (length + 1) + 1 + x] + predicted;
    }
  }
  return bytes;
}

/** Paeth's predictor: of the three, the nearest to left + up - corner. */
function nearest(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Colours that are shown as one. */
interface Group {
  readonly colors: readonly number[];
  /** The channel in which they differ most, as bits to shift by, and by how much. */
  readonly shift: number;
  readonly width: number;
}

/** For each colour the one that stands for it: the groups that differ most are halved until there are as many as a palette has. */
function palette(all: Uint32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const color of all) counts.set(color, (counts.get(color) ?? 0) + 1);
  const groups = [groupOf([...counts.keys()])];
  while (groups.length < Math.min(MAX_COLORS, counts.size)) {
    const widest = groups.reduce((best, { width }, i) => (width > groups[best].width ? i : best), 0);
    const { colors, shift } = groups[widest];
    const channel = (color: number): number => (color >> shift) & 255;
    const sorted = [...colors].sort((a, b) => channel(a) - channel(b));
    groups.splice(widest, 1, groupOf(sorted.slice(0, sorted.length >> 1)), groupOf(sorted.slice(sorted.length >> 1)));
  }
  return new Map(
    groups.flatMap(({ colors }) => {
      const shown = colors.reduce((best, color) => (counts.get(color)! > counts.get(best)! ? color : best));
      return colors.map((color): [number, number] => [color, shown]);
    }),
  );
}

function groupOf(colors: readonly number[]): Group {
  const spread = (shift: number): number => {
    let [low, high] = [255, 0];
    for (const color of colors) {
      const value = (color >> shift) & 255;
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    return high - low;
  };
  const [shift, width] = [16, 8, 0]
    .map((each): [number, number] => [each, spread(each)])
    .reduce((best, each) => (each[1] > best[1] ? each : best));
  return { colors, shift, width };
}

function encoded({ width, height, colors }: Pixels, shown: ReadonlyMap<number, number>): Buffer {
  const used = [...new Set(shown.values())];
  const places = new Map([...shown].map(([color, stands]): [number, number] => [color, used.indexOf(stands)]));
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = places.get(colors[y * width + x])!;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, INDEXED], 8);
  const entries = Buffer.from(used.flatMap((color) => [color >> 16, (color >> 8) & 255, color & 255]));
  const chunks = [
    chunk("IHDR", header),
    chunk("PLTE", entries),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat([SIGNATURE, ...chunks]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(8 + named.length);
  framed.writeUInt32BE(data.length, 0);
  framed.set(named, 4);
  framed.writeUInt32BE(crc32(named), 4 + named.length);
  return framed;
}
