import { gunzipSync, gzipSync } from "node:zlib";
import { compress } from "lzma-native";
import { describe, expect, it } from "vitest";
import { readArchive } from "./archive";
import { makeTarball, makeWheel } from "../test-archives";

const long = `package/${"deep/".repeat(30)}file.txt`;
const files = { "package/a.txt": "first", [long]: "second \u00e9", "package/empty.txt": "", "package/b.md": "third" };
const read = async (bytes: Buffer, wanted = (_path: string) => true, inside?: RegExp) => {
  const found = await readArchive("archive", bytes, wanted, inside);
  return Object.fromEntries(found.map(({ path, content }) => [path, content.toString("utf8")]));
};
const xz = (bytes: Buffer) => new Promise<Buffer>((resolve) => compress(bytes, 1, resolve));

describe("readArchive", () => {
  it.each([
    ["tarballs", makeTarball(files)],
    ["wheels", makeWheel(files)],
  ])("reads %s", async (_, bytes) => {
    expect(await read(bytes)).toEqual(files);
    expect(await read(bytes, (path) => path.endsWith(".md"))).toEqual({ "package/b.md": "third" });
  });

  it("reads Debian packages, and an archive inside of one", async () => {
    const tar = gunzipSync(makeTarball(files));
    const member = (name: string, content: Buffer) => {
      const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
      const whole = [Buffer.from(`${header}${String(content.length).padEnd(10)}\`\n`), content];
      return Buffer.concat(content.length % 2 === 0 ? whole : [...whole, Buffer.from("\n")]);
    };
    const debian = (data: Buffer) =>
      Buffer.concat([
        Buffer.from("!<arch>\n"),
        member("debian-binary", Buffer.from("2.0\n\n")),
        member("control.tar.xz", Buffer.from("odd")),
        member("data.tar.xz", data),
      ]);
    const packed = await xz(tar);
    expect(await read(debian(packed))).toEqual(files);
    const outer = debian(makeTarball({ "usr/src/source.tar.xz": packed, "usr/readme": "text" }));
    expect(await read(outer, undefined, /\.tar\.xz$/)).toEqual(files);
    const refused = (bytes: Buffer, inside?: RegExp) => expect(read(bytes, undefined, inside)).rejects;
    await refused(outer, /\.zip$/).toThrow("it has no file that matches /\\.zip$/");
    await refused(debian(packed).subarray(0, 200)).toThrow("a member of it is cut short");
    await refused(debian(packed.subarray(0, packed.length - 20))).toThrow("archive is not an archive that can be read");
    await refused(debian(packed).subarray(0, 130)).toThrow("it has no member data.tar");
  });

  it("refuses what is damaged or no archive, and names it", async () => {
    const tar = gunzipSync(makeTarball(files));
    const wheel = makeWheel(files);
    const changed = Buffer.from(tar);
    changed[1] ^= 1;
    const noDirectory = Buffer.from(wheel);
    noDirectory.fill(0, wheel.length - 22);
    const packed = Buffer.from(wheel);
    packed[30 + "package/a.txt".length] ^= 0xff;
    for (const [bytes, why] of [
      [Buffer.from("hello"), "it is compressed neither by gzip nor by xz"],
      [makeTarball(files).subarray(0, 60), "unexpected end of file"],
      [gzipSync(changed), "a header's checksum differs"],
      [gzipSync(tar.subarray(0, tar.length - 1024)), "its end is missing"],
      [gzipSync(tar.subarray(0, 1026)), "a file in it is cut short"],
      [noDirectory, "its directory is missing"],
    ] as const) {
      await expect(read(bytes)).rejects.toThrow(`archive is not an archive that can be read: ${why}`);
    }
    await expect(read(packed)).rejects.toThrow("archive is not an archive that can be read");
  });
});
