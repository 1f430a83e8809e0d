import { expect, it } from "vitest";
import { crc32c, readEvents, restartRecord, scalarsRecord, versionRecord } from "./event-file";

it("checksums are CRC-32C", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  // RFC 3720, appendix B.4.
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
});

it("records are those that TensorFlow writes, byte by byte", () => {
  // As the protocol buffers and checksums of the package tensorboard 2.20 have them: an Event with wall_time 1.5 and file_version "brain.Event:2".
  expect(versionRecord(1.5).toString("hex")).toBe(
    `1800000000000000a37f4b22${"09000000000000f83f1a0d627261696e2e4576656e743a32"}${"2a28646c"}`,
  );
  const bytes = scalarsRecord(2, 300, [["train/CE loss", 0.5]]);
  expect(bytes.readBigUInt64LE(0)).toBe(BigInt(bytes.length - 16));
  expect(bytes.subarray(12, -4).toString("hex")).toBe(
    `090000000000000040${"10ac02"}2a16${"0a14"}0a0d${Buffer.from("train/CE loss").toString("hex")}${"150000003f"}`,
  );
});

it("what was written is read again, up to what is torn or damaged", () => {
  const records = [
    versionRecord(1.5),
    scalarsRecord(2, 300, [
      ["a", 0.5],
      ["b", -1],
    ]),
    restartRecord(3, 2 ** 33),
    scalarsRecord(4, 0, []),
  ];
  const bytes = Buffer.concat(records);
  const sizes = records.map((_, i) => Buffer.concat(records.slice(0, i + 1)).length);
  const { events, sizeBytes } = readEvents(bytes);
  expect(sizeBytes).toBe(bytes.length);
  expect(events).toEqual([
    { wallTimeSeconds: 1.5, step: 0, tag: undefined, isRestart: false },
    { wallTimeSeconds: 2, step: 300, tag: "b", isRestart: false },
    { wallTimeSeconds: 3, step: 2 ** 33, tag: undefined, isRestart: true },
    { wallTimeSeconds: 4, step: 0, tag: undefined, isRestart: false },
  ]);
  for (let length = 0; length < bytes.length; length++) {
    const whole = sizes.filter((size) => size <= length);
    const read = readEvents(bytes.subarray(0, length));
    expect([read.events.length, read.sizeBytes]).toEqual([whole.length, whole.at(-1) ?? 0]);
  }
  const damaged = Buffer.from(bytes);
  damaged[sizes[1] - 6] ^= 1;
  expect(readEvents(damaged).sizeBytes).toBe(sizes[0]);
});
