/**
 * One compiled program as a file. A damaged executable can end the process that loads it, or run and give nonsense, and the plugin
 * checks nothing: so an entry carries a hash of all its bytes, and all that the program depends on.
 *
 *     magic        16 bytes
 *     SHA-256      32 bytes, of all that follows
 *     length       4 bytes, of the parts
 *     parts        JSON
 *     executable   what the plugin serialized
 */
import { createHash } from "node:crypto";

/** What a compiled program depends on, by name. */
export type KeyParts = Readonly<Record<string, string>>;

const MAGIC = Buffer.from("XLA executable 1");
const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
const BODY = MAGIC.length + HASH_BYTES;

/** The parts as text: equal for equal parts. */
const textOf = (parts: KeyParts): string => JSON.stringify(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));

const sha256 = (data: string | Uint8Array): Buffer => createHash("sha256").update(data).digest();

/** The name of the entry for these parts: a hash of them. */
export const entryName = (parts: KeyParts): string => sha256(textOf(parts)).toString("hex");

/** The file's content for an executable. */
export function encodeEntry(parts: KeyParts, executable: Uint8Array): Buffer {
  const text = Buffer.from(textOf(parts));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  const body = Buffer.concat([length, text, executable]);
  return Buffer.concat([MAGIC, sha256(body), body]);
}

/** The executable of a file's content; nothing if a bit of it has changed, or if it was made from other parts. */
export function decodeEntry(content: Buffer, parts: KeyParts): Buffer | undefined {
  if (content.length < BODY + LENGTH_BYTES || !content.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const body = content.subarray(BODY);
  if (!sha256(body).equals(content.subarray(MAGIC.length, BODY))) return undefined;
  const text = Buffer.from(textOf(parts));
  const start = LENGTH_BYTES + text.length;
  if (body.readUInt32LE(0) !== text.length || !body.subarray(LENGTH_BYTES, start).equals(text)) return undefined;
  return body.subarray(start);
}
