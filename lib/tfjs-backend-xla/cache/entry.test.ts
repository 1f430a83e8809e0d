import { describe, expect, it } from "vitest";
import { decodeEntry, encodeEntry, entryName } from "./entry";

const PARTS = { program: "p", options: "o", plugin: "x" };
const EXECUTABLE = Buffer.from("machine code");
const content = encodeEntry(PARTS, EXECUTABLE);

describe("an entry", () => {
  it("gives back what it was made of, whatever the order of its parts", () => {
    const reordered = { plugin: "x", program: "p", options: "o" };
    expect(decodeEntry(content, reordered)).toEqual(EXECUTABLE);
    expect(entryName(reordered)).toBe(entryName(PARTS));
  });

  it("is refused when any bit of it has changed", () => {
    for (let i = 0; i < content.length; i++) {
      const damaged = Buffer.from(content);
      damaged[i] ^= 1 << (i % 8);
      expect(decodeEntry(damaged, PARTS)).toBeUndefined();
    }
  });

  it("is refused when it is cut or longer at any place", () => {
    for (let n = 0; n < content.length; n++) expect(decodeEntry(content.subarray(0, n), PARTS)).toBeUndefined();
    expect(decodeEntry(Buffer.concat([content, Buffer.alloc(1)]), PARTS)).toBeUndefined();
  });

  it("is refused for other parts, under whose name it may have been put", () => {
    for (const part of Object.keys(PARTS)) {
      const other = { ...PARTS, [part]: "other" };
      expect(entryName(other)).not.toBe(entryName(PARTS));
      expect(decodeEntry(content, other)).toBeUndefined();
    }
    expect(decodeEntry(content, { ...PARTS, further: "" })).toBeUndefined();
  });
});
