/** Files of a tar that is read as a stream: only wanted files are held. Format: POSIX.1-2017 pax, and GNU's long names. */
import type { ArchiveFile } from "./archive";

const TAR_BLOCK = 512;

/** Bytes of a stream, taken in portions of any size. */
function portions(chunks: AsyncIterable<Buffer>) {
  const iterator = chunks[Symbol.asyncIterator]();
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const ensure = async (count: number) => {
    while (waitingBytes < count) {
      const next = await iterator.next();
      if (next.done === true) return false;
      waiting.push(next.value);
      waitingBytes += next.value.length;
    }
    return true;
  };
  const drop = (count: number) => {
    waitingBytes -= count;
    while (count > 0) {
      const [first] = waiting;
      if (first.length > count) {
        waiting[0] = first.subarray(count);
        return;
      }
      count -= first.length;
      waiting.shift();
    }
  };
  return {
    /** The next `count` bytes; undefined when the stream ends before. */
    take: async (count: number): Promise<Buffer | undefined> => {
      if (!(await ensure(count))) return undefined;
      if (waiting.length > 0 && waiting[0].length >= count) {
        const bytes = waiting[0].subarray(0, count);
        drop(count);
        return bytes;
      }
      const all = Buffer.concat(waiting);
      waiting = [all.subarray(count)];
      waitingBytes -= count;
      return all.subarray(0, count);
    },
    /** Passes over bytes without holding them; false when the stream ends before. */
    skip: async (count: number): Promise<boolean> => {
      while (count > 0) {
        if (waitingBytes === 0 && !(await ensure(1))) return false;
        const some = Math.min(count, waitingBytes);
        drop(some);
        count -= some;
      }
      return true;
    },
    /** Reads to the end, so that what makes the stream can check it. */
    drain: async () => {
      while ((await iterator.next()).done !== true);
    },
  };
}

/** The regular files whose path passes `wanted`; throws an Error that says what is malformed. */
export async function* tarFiles(
  chunks: AsyncIterable<Buffer>,
  wanted: (path: string) => boolean,
): AsyncGenerator<ArchiveFile> {
  const stream = portions(chunks);
  let longPath: string | undefined;
  for (;;) {
    const header = await stream.take(TAR_BLOCK);
    if (header === undefined) throw new Error("its end is missing");
    if (header.every((byte) => byte === 0)) return stream.drain();
    checkTarHeader(header);
    const size = octal(header, 124, 12);
    const padding = Math.ceil(size / TAR_BLOCK) * TAR_BLOCK - size;
    const type = String.fromCharCode(header[156]);
    const prefix = text(header, 345, 155);
    const path = longPath ?? (prefix === "" ? "" : `${prefix}/`) + text(header, 0, 100);
    const isFile = (type === "0" || type === "\0") && wanted(path);
    if (type === "x" || type === "L" || isFile) {
      const content = await stream.take(size);
      if (content === undefined) throw new Error("a file in it is cut short");
      if (type === "x") longPath = paxPath(content) ?? longPath;
      else if (type === "L") longPath = text(content, 0, size);
      // A copy, since the portion may be a small part of a large block.
      else yield { path, content: Buffer.from(content) };
    } else if (!(await stream.skip(size))) throw new Error("a file in it is cut short");
    if (type !== "x" && type !== "L" && type !== "g") longPath = undefined;
    if (!(await stream.skip(padding))) throw new Error("its end is missing");
  }
}

function checkTarHeader(header: Buffer): void {
  let sum = 0;
  header.forEach((byte, index) => (sum += index >= 148 && index < 156 ? 0x20 : byte));
  if (sum !== octal(header, 148, 8)) throw new Error("a header's checksum differs");
}

function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

function octal(bytes: Buffer, start: number, length: number): number {
  const digits = text(bytes, start, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error(`a number in it reads ${JSON.stringify(digits)}`);
  return Number.parseInt(digits, 8);
}

/** The path in a pax extended header: records "length key=value\n". */
function paxPath(records: Buffer): string | undefined {
  for (let at = 0; at < records.length;) {
    const length = Number.parseInt(records.toString("latin1", at, at + 20), 10);
    if (!(length > 0)) throw new Error("an extended header is malformed");
    const [, key, value] = /^\d+ ([^=]+)=([^]*)\n$/.exec(records.toString("utf8", at, at + length)) ?? [];
    if (key === "path") return value;
    at += length;
  }
  return undefined;
}
