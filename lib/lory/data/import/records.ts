/** Documents in a user's own files, streamed: JSON lines, plain or compressed by gzip or zstd, and Parquet. */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { Decompress } from "fzstd";
import { CorpusError, messageOf } from "../corpus-error";

/** A document as it stands in a file. */
export interface UserRecord {
  text: string;
  domain?: string;
  id?: string;
}

/** What a line or row holds: a document, or why it is none. Lines and rows are counted from 1. */
export type ReadRecord = { line: number; record: UserRecord } | { line: number; malformed: string };

/** Kinds of files by the end of their names. */
const READERS: readonly [ending: RegExp, read: (file: string) => AsyncGenerator<ReadRecord>][] = [
  [/\.jsonl$/, (file) => jsonLines(createReadStream(file) as AsyncIterable<Buffer>)],
  [/\.jsonl\.gz$/, (file) => jsonLines(gunzipped(file))],
  [/\.jsonl\.zst$/, (file) => jsonLines(unzstd(createReadStream(file) as AsyncIterable<Buffer>))],
  [/\.parquet$/, parquetRows],
];
const ENDINGS = ".jsonl, .jsonl.gz, .jsonl.zst or .parquet";
const NEWLINE = 10;
const ROWS_AT_ONCE = 256;

/** The name of a file without its folder and its ending. */
export function stemOf(file: string): string {
  const name = file.replace(/^.*[\\/]/, "");
  return READERS.reduce((stem, [ending]) => stem.replace(ending, ""), name);
}

/**
 * Reads the documents of a file, one after the other: a line of JSON lines or some rows of Parquet are in memory.
 *
 * @throws CorpusError for a file of another kind, and one that cannot be read or decompressed to its end
 */
export async function* readRecords(file: string): AsyncGenerator<ReadRecord> {
  const reader = READERS.find(([ending]) => ending.test(file));
  if (reader === undefined) throw new CorpusError(`${file} is none of the kinds that can be read: ${ENDINGS}`);
  try {
    yield* reader[1](file);
  } catch (error) {
    throw new CorpusError(`${file} cannot be read to its end: ${messageOf(error)}`);
  }
}

async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ReadRecord> {
  let line = 0;
  let open: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      open.push(chunk.subarray(start, end));
      yield parseLine(++line, open);
      open = [];
      start = end + 1;
    }
    if (start < chunk.length) open.push(chunk.subarray(start));
  }
  if (open.length > 0) yield parseLine(line + 1, open);
}

function parseLine(line: number, parts: readonly Uint8Array[]): ReadRecord {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
    return { line, ...checked(JSON.parse(text)) };
  } catch (error) {
    return { line, malformed: messageOf(error) };
  }
}

/** A value as a document, or why it is none. */
function checked(value: unknown): { record: UserRecord } | { malformed: string } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { malformed: "it is not an object" };
  const { text, domain, id } = value as Record<string, unknown>;
  if (typeof text !== "string") return { malformed: "it has no string `text`" };
  if (domain !== undefined && domain !== null && typeof domain !== "string") {
    return { malformed: "its `domain` is not a string" };
  }
  const isIdentifier = typeof id === "string" || typeof id === "number" || typeof id === "bigint";
  if (id !== undefined && id !== null && !isIdentifier) return { malformed: "its `id` is neither string nor number" };
  return {
    record: { text, ...(typeof domain === "string" ? { domain } : {}), ...(isIdentifier ? { id: String(id) } : {}) },
  };
}

function gunzipped(file: string): AsyncIterable<Buffer> {
  const source = createReadStream(file);
  const gunzip = createGunzip();
  source.on("error", (error) => gunzip.destroy(error));
  return source.pipe(gunzip) as AsyncIterable<Buffer>;
}

async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => void ready.push(chunk));
  for await (const chunk of chunks) {
    stream.push(chunk);
    yield* ready;
    ready = [];
  }
  stream.push(new Uint8Array(), true);
  yield* ready;
}

async function* parquetRows(file: string): AsyncGenerator<ReadRecord> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  const present = new Set(parquetSchema(metadata).children.map(({ element }) => element.name));
  if (!present.has("text")) throw new Error(`it has no column text, but ${[...present].join(", ")}`);
  const columns = ["text", "domain", "id"].filter((column) => present.has(column));
  const rows = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < rows; rowStart += ROWS_AT_ONCE) {
    const rowEnd = Math.min(rowStart + ROWS_AT_ONCE, rows);
    const some = await parquetReadObjects({ file: buffer, metadata, columns, compressors, rowStart, rowEnd });
    for (const [index, row] of some.entries()) yield { line: rowStart + index + 1, ...checked(row) };
  }
}
