import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { encodeNpy, npyHeader, openNpy, parseNpyHeader, readNpy } from "./npy";

const folder = mkdtempSync(path.join(os.tmpdir(), "npy-"));
const file = path.join(folder, "array.npy");
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with a header of our choice in front of six bytes of data. */
function withHeader(dictionary: string, version = 1): string {
  const header = Buffer.alloc(10);
  header.write("\x93NUMPY", 0, "latin1");
  header.writeUInt8(version, 6);
  header.writeUInt16LE(dictionary.length, 8);
  writeFileSync(file, Buffer.concat([header, Buffer.from(dictionary, "latin1"), Buffer.alloc(6)]));
  return file;
}

describe("npy", () => {
  it("writes the header that numpy.save writes", () => {
    const numpy =
      "\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }" + " ".repeat(60) + "\n";
    expect(npyHeader("uint16", 3).toString("latin1")).toBe(numpy);
    expect(npyHeader("uint32", 12_345_678_901).length % 64).toBe(0);
  });

  it("reads back what it wrote, whole and by position", () => {
    const arrays = fc.oneof(fc.uint16Array({ maxLength: 300 }), fc.uint32Array({ maxLength: 300 }));
    fc.assert(
      fc.property(arrays, fc.nat(), fc.nat(), (array, a, b) => {
        writeFileSync(file, encodeNpy(array));
        expect(readNpy(file)).toEqual(array);
        const start = a % (array.length + 1);
        const count = b % (array.length - start + 1);
        const npy = openNpy(file);
        expect(npy.read(start, count)).toEqual(array.slice(start, start + count));
        expect(() => npy.read(start, array.length - start + 1)).toThrow(RangeError);
        npy.close();
      }),
      { numRuns: 50 },
    );
  });

  it("reads headers of version 2.0", () => {
    const one = npyHeader("uint16", 3);
    const two = Buffer.concat([one.subarray(0, 8), Buffer.from([one.readUInt16LE(8), 0, 0, 0]), one.subarray(10)]);
    two.writeUInt8(2, 6);
    expect(parseNpyHeader(two, "f")).toEqual({ dtype: "uint16", length: 3, dataOffset: one.length + 2 });
  });

  it.each([
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", "its elements are <f4"],
    ["{'descr': '>u2', 'fortran_order': False, 'shape': (3,), }\n", "its elements are >u2"],
    ["{'descr': '<u2', 'fortran_order': True, 'shape': (3,), }\n", "it is in Fortran order"],
    ["{'descr': '<u2', 'fortran_order': False, 'shape': (3, 1), }\n", "its shape is (3, 1)"],
    ["{'descr': '<u2', 'fortran_order': False, 'shape': (), }\n", "its shape is ()"],
    ["{'descr': '<u2', 'shape': (3,), }\n", "its header reads"],
    ["{'descr': '<u2', 'fortran_order': False, 'shape': (4,), }\n", "it is damaged"],
  ])("refuses %j", (dictionary, why) => {
    expect(() => openNpy(withHeader(dictionary))).toThrow(why);
  });

  it("refuses what is cut short, too long, another version or no .npy file, and names it", () => {
    const whole = encodeNpy(Uint16Array.of(1, 2, 3));
    writeFileSync(file, whole);
    truncateSync(file, whole.length - 1);
    expect(() => openNpy(file)).toThrow(`${file} holds ${whole.length - 1} bytes, its header promises ${whole.length}`);
    appendFileSync(file, "xx");
    expect(() => openNpy(file)).toThrow("it is damaged");
    writeFileSync(file, whole.subarray(0, 40));
    expect(() => openNpy(file)).toThrow("its header is cut short");
    writeFileSync(file, "");
    expect(() => openNpy(file)).toThrow("it does not start like a .npy file");
    expect(() => openNpy(withHeader("{}\n", 3))).toThrow(".npy version 3 is not known");
    expect(() => openNpy(path.join(folder, "missing.npy"))).toThrow("cannot open");
  });
});
