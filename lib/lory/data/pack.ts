/**
 * A corpus in few small files, to be carried to another machine: every file of it compressed by LZMA2 (the xz format) with
 * contexts of two bytes, which suits ids of 16 bits, in pieces of at most 60 MB, each with its hash.
 */
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createDecompressor, createStream, type LzmaOptions } from "lzma-native";
import { asWriteError } from "./builder/write";
import { closeScratch, openScratch } from "./builder/scratch";
import { CorpusError, messageOf, systemCode } from "./corpus-error";
import { type Manifest, MANIFEST_FILE, readManifest, sha256, type StoredFile, storedFiles } from "./manifest";
import type { NpyDtype } from "./npy";
import { type WriteFile, writeThrough } from "./whole-folder";

export const PACK_FILE = "pack.json";
const PACK_VERSION = 1;
const PIECE_BYTES = 60_000_000;

/** `pack.json`: what the pieces are. */
export interface Pack {
  packVersion: number;
  name: string;
  /** The corpus's. */
  hash: string;
  files: PackedFile[];
}

/** A file of the corpus, whose compressed bytes are those of its pieces, one after the other. */
export interface PackedFile extends StoredFile {
  pieces: StoredFile[];
}

export interface PackOptions {
  /** Largest size of a piece. */
  pieceBytes?: number;
  onFile?: (done: number, total: number, file: string) => void;
  writeFile?: WriteFile;
}

interface FilterOptions extends LzmaOptions {
  filters: readonly { id: string; options: Readonly<Record<string, number | string>> }[];
}

/** LZMA looks back over as many bytes; its memory grows with it. */
const LARGEST_DICTIONARY = 1 << 26;
const SMALLEST_DICTIONARY = 1 << 12;

/** liblzma's settings `preset=9e` but for the bits of position and literal that ids of 16 or 32 bits call for. */
const codecFor = (dtype: NpyDtype, sizeBytes: number): FilterOptions => {
  const dictSize = Math.min(LARGEST_DICTIONARY, Math.max(SMALLEST_DICTIONARY, sizeBytes));
  const bits = dtype === "uint16" ? 1 : 2;
  const filter = { dictSize, lc: 0, lp: bits, pb: bits, mode: 2, niceLen: 273, mf: 0x14, depth: 512 };
  return { filters: [{ id: "LZMA_FILTER_LZMA2", options: filter }], check: "CHECK_CRC64" };
};

/**
 * Packs a built corpus into a folder, which is made or replaced as a whole.
 *
 * @returns what was written, as in `pack.json`
 * @throws CorpusError for a corpus that cannot be read, one with a damaged file, and a full disk
 */
export async function packCorpus(corpusFolder: string, target: string, options: PackOptions = {}): Promise<Pack> {
  const { pieceBytes = PIECE_BYTES, onFile, writeFile = writeThrough } = options;
  const manifest = readManifest(corpusFolder, "build it again");
  const manifestBytes = readFileSync(path.join(corpusFolder, MANIFEST_FILE));
  const stored: StoredFile[] = [
    { file: MANIFEST_FILE, sizeBytes: manifestBytes.length, sha256: sha256(manifestBytes) },
    ...storedFiles(manifest),
  ];
  mkdirSync(path.dirname(target), { recursive: true });
  return intoFolder(manifest.name, target, "pack", async (fresh) => {
    const files: PackedFile[] = [];
    for (const [index, file] of stored.entries()) {
      onFile?.(index, stored.length, file.file);
      const content = readFileSync(path.join(corpusFolder, file.file));
      if (sha256(content) !== file.sha256) throw new CorpusError(`${file.file} in ${corpusFolder} is damaged`);
      const packed = await compressed(content, manifest.dtype);
      files.push({ ...file, pieces: writePieces(fresh, file.file, packed, { pieceBytes, writeFile }) });
    }
    onFile?.(stored.length, stored.length, "");
    const pack: Pack = { packVersion: PACK_VERSION, name: manifest.name, hash: manifest.hash, files };
    writeFile(path.join(fresh, PACK_FILE), `${JSON.stringify(pack, null, 2)}\n`);
    return pack;
  });
}

/**
 * Unpacks what `packCorpus` wrote into a corpus folder, which is made or replaced as a whole.
 *
 * @throws CorpusError for a missing or damaged piece, files that do not make the corpus, and a full disk
 */
export async function unpackCorpus(
  packFolder: string,
  corpusFolder: string,
  { writeFile = writeThrough }: Pick<PackOptions, "writeFile"> = {},
): Promise<Manifest> {
  const pack = readPack(packFolder);
  mkdirSync(path.dirname(corpusFolder), { recursive: true });
  return intoFolder(pack.name, corpusFolder, "unpack", async (fresh) => {
    for (const { pieces, ...file } of pack.files) {
      for (const piece of pieces) checkPiece(packFolder, piece);
      let content: Buffer;
      try {
        content = await decompressed(pieces.map((piece) => path.join(packFolder, piece.file)));
      } catch (error) {
        throw new CorpusError(`the pieces of ${file.file} in ${packFolder} cannot be unpacked: ${messageOf(error)}`);
      }
      if (sha256(content) !== file.sha256) throw new CorpusError(`${file.file} of ${packFolder} came out damaged`);
      writeFile(path.join(fresh, file.file), content);
    }
    const manifest = readManifest(fresh, "pack it again");
    const missing = storedFiles(manifest).find(({ file }) => !existsSync(path.join(fresh, file)));
    if (missing !== undefined) throw new CorpusError(`${packFolder} lacks ${missing.file}: pack it again`);
    if (manifest.hash !== pack.hash)
      throw new CorpusError(`${packFolder} holds another corpus than ${PACK_FILE} names`);
    return manifest;
  });
}

/** Packed bytes, training tokens and those of the other splits: what a pack costs a token. */
export function bytesPerToken({ files }: Pack, { domains }: Manifest): number {
  const packed = files.flatMap(({ pieces }) => pieces).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const tokens = domains.flatMap(({ splits }) => Object.values(splits)).reduce((sum, counts) => sum + counts.tokens, 0);
  return packed / tokens;
}

/** Reads `pack.json`. */
export function readPack(packFolder: string): Pack {
  const file = path.join(packFolder, PACK_FILE);
  let pack: Pack;
  try {
    pack = JSON.parse(readFileSync(file, "utf8")) as Pack;
  } catch (error) {
    throw new CorpusError(
      systemCode(error) === "ENOENT" ? `there is no packed corpus in ${packFolder}` : `${file}: ${messageOf(error)}`,
    );
  }
  if (pack.packVersion !== PACK_VERSION) {
    throw new CorpusError(`${file} has pack version ${String(pack.packVersion)}, this library reads ${PACK_VERSION}`);
  }
  return pack;
}

function checkPiece(folder: string, { file, sizeBytes, sha256: expected }: StoredFile): void {
  const where = path.join(folder, file);
  const found = statSync(where, { throwIfNoEntry: false })?.size;
  if (found === undefined) throw new CorpusError(`${where} is missing`);
  if (found !== sizeBytes) throw new CorpusError(`${where} has ${found} bytes instead of ${sizeBytes}`);
  if (sha256(readFileSync(where)) !== expected) throw new CorpusError(`${where} is damaged: its hash differs`);
}

function writePieces(
  folder: string,
  name: string,
  packed: Buffer,
  { pieceBytes, writeFile }: Required<Pick<PackOptions, "pieceBytes" | "writeFile">>,
): StoredFile[] {
  const pieces: StoredFile[] = [];
  for (let at = 0; at < packed.length; at += pieceBytes) {
    const bytes = packed.subarray(at, at + pieceBytes);
    const number = packed.length > pieceBytes ? `.${String(pieces.length).padStart(3, "0")}` : "";
    const file = `${name}.xz${number}`;
    writeFile(path.join(folder, file), bytes);
    pieces.push({ file, sizeBytes: bytes.length, sha256: sha256(bytes) });
  }
  return pieces;
}

function compressed(content: Buffer, dtype: NpyDtype): Promise<Buffer> {
  const stream = createStream("streamEncoder", codecFor(dtype, content.length)) as unknown as NodeJS.ReadWriteStream;
  return buffer(Readable.from([content]).pipe(stream));
}

async function decompressed(files: string[]): Promise<Buffer> {
  async function* bytes() {
    for (const file of files) yield* createReadStream(file) as AsyncIterable<Buffer>;
  }
  return buffer(Readable.from(bytes()).pipe(createDecompressor()));
}

/** Lets `work` fill a new folder and moves it to its place when it is whole. */
async function intoFolder<Result>(
  name: string,
  target: string,
  label: string,
  work: (fresh: string) => Promise<Result>,
): Promise<Result> {
  const scratch = openScratch(path.dirname(target), label);
  try {
    const fresh = path.join(scratch, "fresh");
    mkdirSync(fresh);
    const result = await work(fresh);
    if (existsSync(target)) renameSync(target, path.join(scratch, "previous"));
    renameSync(fresh, target);
    return result;
  } catch (error) {
    throw asWriteError(name, error);
  } finally {
    closeScratch(scratch);
  }
}
