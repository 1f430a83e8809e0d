import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readArchive } from "./archive";
import { makeTarball, makeWheel } from "../test-archives";

const long = `package/${"deep/".repeat(30)}file.txt`;
const files = { "package/a.txt": "first", [long]: "second \u00e9", "package/empty.txt": "", "package/b.md": "third" };
const read = (bytes: Buffer, wanted = (_path: string) => true) =>
  Object.fromEntries(
    readArchive("archive", bytes, wanted).map(({ path, content }) => [path, content.toString("utf8")]),
  );

describe("readArchive", () => {
  it.each([
    ["tarballs", makeTarball(files)],
    ["wheels", makeWheel(files)],
  ])("reads %s", (_, bytes) => {
    expect(read(bytes)).toEqual(files);
    expect(read(bytes, (path) => path.endsWith(".md"))).toEqual({ "package/b.md": "third" });
  });

  it("refuses what is damaged or no archive, and names it", () => {
    const tar = gunzipSync(makeTarball(files));
    const wheel = makeWheel(files);
    const changed = Buffer.from(tar);
    changed[1] ^= 1;
    const noDirectory = Buffer.from(wheel);
    noDirectory.fill(0, wheel.length - 22);
    const packed = Buffer.from(wheel);
    packed[30 + "package/a.txt".length] ^= 0xff;
    for (const [bytes, why] of [
      [Buffer.from("hello"), "incorrect header check"],
      [makeTarball(files).subarray(0, 60), "unexpected end of file"],
      [gzipSync(changed), "a header's checksum differs"],
      [gzipSync(tar.subarray(0, tar.length - 1024)), "its end is missing"],
      [gzipSync(tar.subarray(0, 1026)), "a file in it is cut short"],
      [noDirectory, "its directory is missing"],
    ] as const) {
      expect(() => read(bytes)).toThrow(`archive is not an archive that can be read: ${why}`);
    }
    expect(() => read(packed)).toThrow("archive is not an archive that can be read");
  });
});
