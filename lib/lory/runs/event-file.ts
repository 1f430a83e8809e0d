/**
 * TensorBoard's event files: records as TensorFlow frames them (length, its checksum, data, its checksum), each an `Event` of its protocol buffers
 * (tensorflow/core/util/event.proto, framework/summary.proto). Only scalars are written.
 */

/** A number under a name. */
export type Scalar = readonly [tag: string, value: number];

/** The first record of a file, which names the format. */
export function versionRecord(wallTimeSeconds: number): Buffer {
  return record([doubleField(1, wallTimeSeconds), bytesField(3, Buffer.from("brain.Event:2"))]);
}

/** The scalars of a step. */
export function scalarsRecord(wallTimeSeconds: number, step: number, scalars: readonly Scalar[]): Buffer {
  const values = scalars.map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
  );
  return record([doubleField(1, wallTimeSeconds), varintField(2, step), bytesField(5, Buffer.concat(values))]);
}

function record(fields: readonly Buffer[]): Buffer {
  const data = Buffer.concat(fields);
  const framed = Buffer.alloc(16 + data.length);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc32c(framed.subarray(0, 8)), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return framed;
}

/** Wire types of protocol buffers. */
const [VARINT, DOUBLE, BYTES, FLOAT] = [0, 1, 2, 5];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

const key = (field: number, wireType: number): Buffer => varint(field * 8 + wireType);
const varintField = (field: number, value: number): Buffer => Buffer.concat([key(field, VARINT), varint(value)]);
const bytesField = (field: number, value: Buffer): Buffer =>
  Buffer.concat([key(field, BYTES), varint(value.length), value]);

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, DOUBLE), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FLOAT), bytes]);
}

/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As records have it: turned and shifted, so that a checksum of checksums is of use. */
function maskedCrc32c(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
