/** Text of books in the formats of their readers: SWORD modules, R's data, dictd's dictionaries, Metamath's databases. */
import { inflateSync } from "node:zlib";
import { decodeText } from "../clean";
import { htmlText } from "./html";

interface Inflated {
  buffer: Buffer;
  engine: { bytesWritten: number };
}

/** The first byte of zlib streams with a window of 32 KB (RFC 1950). */
const ZLIB_START = 0x78;

/** What the zlib streams among some bytes hold; whatever lies between them is passed over. */
function* inflatedBlocks(bytes: Buffer): Generator<Buffer> {
  for (let at = bytes.indexOf(ZLIB_START); at >= 0 && at + 1 < bytes.length;) {
    const inflated = bytes.readUInt16BE(at) % 31 === 0 ? inflateAt(bytes, at) : undefined;
    if (inflated !== undefined) yield inflated.buffer;
    at = bytes.indexOf(ZLIB_START, at + (inflated?.engine.bytesWritten ?? 1));
  }
}

function inflateAt(bytes: Buffer, at: number): Inflated | undefined {
  try {
    return inflateSync(bytes.subarray(at), { info: true }) as unknown as Inflated;
  } catch {
    return undefined;
  }
}

/** A SWORD module's `.bzz`: zlib streams of OSIS or ThML markup, one a book. */
export function swordText(content: Buffer): string | undefined {
  const markup = [...inflatedBlocks(content)].map((block) => block.toString("utf8").replaceAll("\0", "\n"));
  const notes = /<(note|title)\b[^>]*>[^]*?<\/\1>/g;
  return htmlText(
    Buffer.from(markup.map((book) => book.replace(notes, " ").replace(/<\/?w\b[^>]*>/g, "")).join("\n\n")),
  );
}

/** R's header of a string: flags whose low byte says CHARSXP, then its length. */
const R_STRING = 9;
const LONGEST_R_STRING = 10_000;

/** An R package's `.rdb`: zlib streams of serialized objects; all strings of them, one a line. */
export function rStrings(content: Buffer): string | undefined {
  const lines: string[] = [];
  for (const block of inflatedBlocks(content)) {
    for (let at = 0; at + 8 <= block.length;) {
      const length = block.readInt32BE(at + 4);
      const isString = block[at] === 0 && block[at + 1] <= 4 && block[at + 3] === R_STRING;
      if (isString && length >= 0 && length <= LONGEST_R_STRING && at + 8 + length <= block.length) {
        lines.push(block.toString("utf8", at + 8, at + 8 + length));
        at += 8 + length;
      } else at++;
    }
  }
  return lines.length === 0 ? undefined : lines.join("\n");
}

/** A dictd dictionary, which is gzipped text: entries begin at the margin. Marks of pronunciation and markup go. */
export function dictionaryText(content: Buffer): string | undefined {
  return decodeText(content)
    ?.replace(/\\([^\\\n]*)\\/g, "$1")
    .replace(/[{}]/g, "")
    .replace(/^ {1,5}(?=\S)/gm, "  ");
}

/**
 * A Metamath database: statements with the comments before them, and of each proof the statements that it refers to; the
 * letters that stand for its steps and the rules of typesetting go.
 */
export function metamathText(content: Buffer): string | undefined {
  return decodeText(content)
    ?.replace(/\$\(\s*\$t[^]*?\$\)/g, "")
    .replace(/(\$=\s*\([^()]*\))[A-Z?\s]+\$\./g, "$1 $.")
    .replace(/\$\(\s*(?=[#*=~-]{4})/g, "\f$(");
}
