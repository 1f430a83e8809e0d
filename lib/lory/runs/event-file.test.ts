import { expect, it } from "vitest";
import { crc32c, scalarsRecord, versionRecord } from "./event-file";

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
