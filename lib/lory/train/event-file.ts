/**
 * TensorBoard's event files: records as TensorFlow frames them (length, its checksum, data, its checksum), each an `Event` of its protocol buffers
 * (tensorflow/core/util/event.proto, framework/summary.proto). Only scalars are written, and where a training went back.
 */

/** A number under a name. */
export type Scalar = readonly [tag: string, value: number];

/** An event of a file, as far as it tells how far the file goes. */
export interface Event {
  readonly wallTimeSeconds: number;
  readonly step: number;
  /** Of one of its scalars. */
  readonly tag?: string;
  /** Whether a training goes on here from before this step, so that what was written of this step and later ones no longer counts. */
  readonly isRestart: boolean;
}

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

/** A training goes on from before this step: TensorBoard drops what it has of this step and later ones. */
export function restartRecord(wallTimeSeconds: number, step: number): Buffer {
  return record([
    doubleField(1, wallTimeSeconds),
    varintField(2, step),
    bytesField(SESSION_LOG, varintField(1, SESSION_STARTS)),
  ]);
}

/** What a file holds up to the first record that is torn or damaged, and how many bytes that is. */
export function readEvents(file: Buffer): { readonly events: Event[]; readonly sizeBytes: number } {
  const events: Event[] = [];
  let at = 0;
  while (at + 16 <= file.length) {
    const length = Number(file.readBigUInt64LE(at));
    const end = at + 16 + length;
    if (end > file.length || file.readUInt32LE(at + 8) !== maskedCrc32c(file.subarray(at, at + 8))) break;
    const data = file.subarray(at + 12, end - 4);
    if (file.readUInt32LE(end - 4) !== maskedCrc32c(data)) break;
    events.push(eventOf(data));
    at = end;
  }
  return { events, sizeBytes: at };
}

function eventOf(data: Buffer): Event {
  const fields = new Map(fieldsOf(data));
  const firstScalar = new Map(fieldsOf(new Map(fieldsOf(fields.get(SUMMARY))).get(1)));
  return {
    wallTimeSeconds: fields.get(1)?.readDoubleLE() ?? 0,
    step: readVarint(fields.get(2) ?? ZERO).value,
    tag: firstScalar.get(1)?.toString(),
    isRestart: fields.has(SESSION_LOG),
  };
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
/** Fields of an event, and the status of a session log that a training begins or goes on with. */
const [SUMMARY, SESSION_LOG, SESSION_STARTS] = [5, 7, 1];
const ZERO = Buffer.alloc(1);

/** The fields of a message by number; of one that repeats, the last counts in a map. */
function fieldsOf(message: Buffer = Buffer.alloc(0)): [number, Buffer][] {
  const fields: [number, Buffer][] = [];
  for (let at = 0; at < message.length;) {
    const head = readVarint(message, at);
    const wireType = head.value % 8;
    const size = wireType === BYTES ? readVarint(message, head.end) : undefined;
    const start = size?.end ?? head.end;
    const fixed = wireType === DOUBLE ? 8 : 4;
    const end =
      size !== undefined ? start + size.value : wireType === VARINT ? readVarint(message, start).end : start + fixed;
    fields.push([Math.floor(head.value / 8), message.subarray(start, end)]);
    at = end;
  }
  return fields;
}

function readVarint(bytes: Buffer, start = 0): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start, scale = 1; ; at++, scale *= 128) {
    value += (bytes[at] % 128) * scale;
    if (bytes[at] < 128) return { value, end: at + 1 };
  }
}

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
