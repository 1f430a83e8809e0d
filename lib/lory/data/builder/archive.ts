/**
 * Files inside npm tarballs and Python wheels, read in memory: nothing is unpacked to disk and nothing of a package is
 * run. Formats: POSIX.1-2017 pax (tar), PKWARE APPNOTE 6.3 (zip).
 */
import { gunzipSync, inflateRawSync } from "node:zlib";
import { CorpusError, messageOf } from "../corpus-error";

export interface ArchiveFile {
  /** With forward slashes. */
  path: string;
  content: Buffer;
}

const TAR_BLOCK = 512;
const ZIP_DIRECTORY_END = 0x06054b50;
const ZIP_DIRECTORY_END_BYTES = 22;
const ZIP_DIRECTORY_ENTRY = 0x02014b50;
const ZIP_FILE = 0x04034b50;
const LONGEST_ZIP_COMMENT = 65_535;

/**
 * The regular files of an archive, a zip or a gzipped tar, whose path passes `wanted`, in the archive's order.
 *
 * @param name names the archive in errors
 * @throws CorpusError when the archive is malformed
 */
export function readArchive(name: string, bytes: Buffer, wanted: (path: string) => boolean): ArchiveFile[] {
  try {
    const isZip = bytes.length >= 4 && bytes.readUInt32LE(0) === ZIP_FILE;
    return [...(isZip ? zipFiles(bytes, wanted) : tarFiles(gunzipSync(bytes), wanted))];
  } catch (error) {
    throw new CorpusError(`${name} is not an archive that can be read: ${messageOf(error)}`);
  }
}

function* tarFiles(tar: Buffer, wanted: (path: string) => boolean): Generator<ArchiveFile> {
  let longPath: string | undefined;
  for (let at = 0; at + TAR_BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + TAR_BLOCK);
    if (header.every((byte) => byte === 0)) return;
    checkTarHeader(header);
    const size = octal(header, 124, 12);
    const content = tar.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (content.length < size) throw new Error("a file in it is cut short");
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;

    const type = String.fromCharCode(header[156]);
    if (type === "x") {
      longPath = paxPath(content) ?? longPath;
    } else if (type === "L") {
      longPath = text(content, 0, size);
    } else if (type !== "g") {
      const prefix = text(header, 345, 155);
      const path = longPath ?? (prefix === "" ? "" : `${prefix}/`) + text(header, 0, 100);
      longPath = undefined;
      if ((type === "0" || type === "\0") && wanted(path)) yield { path, content };
    }
  }
  throw new Error("its end is missing");
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

function* zipFiles(zip: Buffer, wanted: (path: string) => boolean): Generator<ArchiveFile> {
  const end = zipDirectoryEnd(zip);
  const entries = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries; entry++) {
    if (zip.readUInt32LE(at) !== ZIP_DIRECTORY_ENTRY) throw new Error("its directory is damaged");
    const method = zip.readUInt16LE(at + 10);
    const packedBytes = zip.readUInt32LE(at + 20);
    const sizeBytes = zip.readUInt32LE(at + 24);
    const nameBytes = zip.readUInt16LE(at + 28);
    const path = zip.toString("utf8", at + 46, at + 46 + nameBytes);
    const local = zip.readUInt32LE(at + 42);
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
    if (path.endsWith("/") || !wanted(path)) continue;

    if (zip.readUInt32LE(local) !== ZIP_FILE) throw new Error(`${path} is damaged`);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const packed = zip.subarray(start, start + packedBytes);
    if (method !== 0 && method !== 8) throw new Error(`${path} is packed by method ${method}`);
    const content = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(sizeBytes, 1) });
    if (content.length !== sizeBytes) throw new Error(`${path} is cut short`);
    yield { path, content };
  }
}

function zipDirectoryEnd(zip: Buffer): number {
  const lowest = Math.max(0, zip.length - ZIP_DIRECTORY_END_BYTES - LONGEST_ZIP_COMMENT);
  for (let at = zip.length - ZIP_DIRECTORY_END_BYTES; at >= lowest; at--) {
    if (zip.readUInt32LE(at) === ZIP_DIRECTORY_END) return at;
  }
  throw new Error("its directory is missing");
}
