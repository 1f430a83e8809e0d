/**
 * Files inside npm tarballs, Python wheels and Debian packages: nothing is unpacked to disk and nothing of a package is
 * run. A Debian package is an `ar` archive (deb(5)) with a compressed tar in it.
 */
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { createDecompressor } from "lzma-native";
import { CorpusError, messageOf } from "../corpus-error";
import { tarFiles } from "./tar";
import { isZip, zipFiles } from "./zip";

export interface ArchiveFile {
  /** With forward slashes. */
  path: string;
  content: Buffer;
}

const AR_MAGIC = "!<arch>\n";
const AR_HEADER_BYTES = 60;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const XZ_MAGIC = Buffer.from("\xfd7zXZ\0", "latin1");

/** Whether bytes begin as gzip does. */
export const isGzip = (bytes: Buffer) => bytes.subarray(0, 2).equals(GZIP_MAGIC);

/**
 * The regular files of an archive (a zip, a tar compressed by gzip or xz, or a Debian package) whose path passes `wanted`,
 * in the archive's order.
 *
 * @param name names the archive in errors
 * @param inside an archive in the archive whose files are taken instead, by its path
 * @throws CorpusError when the archive is malformed
 */
export async function readArchive(
  name: string,
  bytes: Buffer,
  wanted: (path: string) => boolean,
  inside?: RegExp,
): Promise<ArchiveFile[]> {
  try {
    if (inside === undefined) return await collect(filesOf(bytes, wanted));
    const [inner] = await collect(filesOf(bytes, (path) => inside.test(path)));
    if (inner === undefined) throw new Error(`it has no file that matches ${String(inside)}`);
    return await collect(filesOf(inner.content, wanted));
  } catch (error) {
    throw new CorpusError(`${name} is not an archive that can be read: ${messageOf(error)}`);
  }
}

function filesOf(bytes: Buffer, wanted: (path: string) => boolean): AsyncIterable<ArchiveFile> | Iterable<ArchiveFile> {
  if (isZip(bytes)) return zipFiles(bytes, wanted);
  const isDebian = bytes.toString("latin1", 0, AR_MAGIC.length) === AR_MAGIC;
  return tarFiles(decompressed(isDebian ? debianData(bytes) : bytes), wanted);
}

/** What an archive's compression leaves: gzip's or xz's, told by its first bytes. */
function decompressed(bytes: Buffer): AsyncIterable<Buffer> {
  const source = Readable.from(slices(bytes));
  if (isGzip(bytes)) return piped(source, createGunzip());
  if (bytes.subarray(0, XZ_MAGIC.length).equals(XZ_MAGIC)) return piped(source, createDecompressor());
  throw new Error("it is compressed neither by gzip nor by xz");
}

function piped(source: Readable, through: NodeJS.ReadWriteStream): AsyncIterable<Buffer> {
  source.on("error", (error) => through.emit("error", error));
  return source.pipe(through) as unknown as AsyncIterable<Buffer>;
}

function* slices(bytes: Buffer): Generator<Buffer> {
  const size = 1 << 20;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The member `data.tar.*` of a Debian package. */
function debianData(bytes: Buffer): Buffer {
  for (let at = AR_MAGIC.length; at + AR_HEADER_BYTES <= bytes.length;) {
    const name = bytes.toString("latin1", at, at + 16).trim();
    const size = Number.parseInt(bytes.toString("latin1", at + 48, at + 58), 10);
    const content = bytes.subarray(at + AR_HEADER_BYTES, at + AR_HEADER_BYTES + size);
    if (!(size >= 0) || content.length < size) throw new Error("a member of it is cut short");
    if (name.startsWith("data.tar")) return content;
    at += AR_HEADER_BYTES + size + (size % 2);
  }
  throw new Error("it has no member data.tar");
}

async function collect(files: AsyncIterable<ArchiveFile> | Iterable<ArchiveFile>): Promise<ArchiveFile[]> {
  const all: ArchiveFile[] = [];
  for await (const file of files) all.push(file);
  return all;
}
