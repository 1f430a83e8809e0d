/** Files of a zip in memory. Format: PKWARE APPNOTE 6.3. */
import { inflateRawSync } from "node:zlib";
import type { ArchiveFile } from "./archive";

const ZIP_DIRECTORY_END = 0x06054b50;
const ZIP_DIRECTORY_END_BYTES = 22;
const ZIP_DIRECTORY_ENTRY = 0x02014b50;
const ZIP_FILE = 0x04034b50;
const LONGEST_ZIP_COMMENT = 65_535;

/** Whether bytes begin as a zip with files does. */
export function isZip(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === ZIP_FILE;
}

/** The regular files whose path passes `wanted`; throws an Error that says what is malformed. */
export function* zipFiles(zip: Buffer, wanted: (path: string) => boolean): Generator<ArchiveFile> {
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
