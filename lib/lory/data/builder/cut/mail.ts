/** Plain text of e-mail messages: RFC 5322 headers, RFC 2045 to 2047 parts and encodings, as far as old mail needs. */

interface Part {
  headers: Map<string, string>;
  body: string;
}

const DEEPEST_PART = 4;
const SHOWN_HEADERS = ["from", "subject"] as const;
const ADDRESS = /[\w.+=-]+@[\w-]+(?:\.[\w-]+)+/g;
/** Three or more lines that are one long word each: base64, uuencoded bytes, lists of long links. */
const ENCODED_LINES = /(?:^[>| \t]*[!-~]{60,}[ \t]*\n){3,}/gm;
/** What mailing lists and senders append: a line of underscores or dashes and the few lines below it, at the end. */
const FOOTER = /\n(?:-- ?|_{20,}|-{20,}[^\n]*|={20,})\n(?:[^\n]*\n){0,12}$/;

/**
 * A message as its sender, its subject and its plain text; addresses, signatures, list footers and encoded attachments
 * are taken out. Undefined when it has no plain text.
 */
export function messageText(content: Buffer): string | undefined {
  const message = parsePart(
    content
      .toString("latin1")
      .replace(/\r\n?/g, "\n")
      .replace(/^From .*\n/, ""),
  );
  const body = plainText(message, 0);
  if (body === undefined) return undefined;
  const headers = SHOWN_HEADERS.flatMap((name) => {
    const value = message.headers.get(name);
    return value === undefined ? [] : [`${name[0].toUpperCase()}${name.slice(1)}: ${decodeWords(value)}`];
  });
  const text = `${headers.join("\n")}\n\n${withoutFooters(body).replace(ENCODED_LINES, "\n")}`;
  return text.replace(ADDRESS, "<address>").replace(/<<address>>/g, "<address>");
}

function parsePart(raw: string): Part {
  const end = raw.startsWith("\n") ? 0 : raw.search(/\n\n/);
  const head = end < 0 ? raw : raw.slice(0, end);
  const headers = new Map<string, string>();
  for (const line of head.replace(/\n[ \t]+/g, " ").split("\n")) {
    const [, name, value] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name !== undefined && !headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value.trim());
  }
  return { headers, body: end < 0 ? "" : raw.slice(end).replace(/^\n+/, "") };
}

function parameter(header: string, name: string): string | undefined {
  const [, quoted, bare] = new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^;\\s]+))`, "i").exec(header) ?? [];
  return quoted ?? bare;
}

/** The first plain text among a part and the parts inside it. */
function plainText(part: Part, depth: number): string | undefined {
  const contentType = part.headers.get("content-type") ?? "text/plain";
  const boundary = /^multipart\//i.test(contentType) ? parameter(contentType, "boundary") : undefined;
  if (boundary !== undefined && depth < DEEPEST_PART) {
    const inner = part.body.split(`--${boundary}`).slice(1);
    for (const each of inner.filter((raw) => !raw.startsWith("--"))) {
      const found = plainText(parsePart(each.replace(/^[ \t]*\n/, "")), depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!/^text\/plain|^text$/i.test(contentType) || /^attachment/i.test(part.headers.get("content-disposition") ?? "")) {
    return undefined;
  }
  const bytes = decodeTransfer(part.body, part.headers.get("content-transfer-encoding") ?? "7bit");
  return decodeCharset(bytes, parameter(contentType, "charset") ?? "utf-8");
}

function decodeTransfer(body: string, encoding: string): Buffer {
  if (/^base64/i.test(encoding)) return Buffer.from(body, "base64");
  return Buffer.from(/^quoted-printable/i.test(encoding) ? quotedPrintable(body) : body, "latin1");
}

function quotedPrintable(text: string): string {
  return text
    .replace(/=[ \t]*\n/g, "")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** Bytes as text in the charset that they name; unknown and wrong charsets are read as Windows-1252, which knows all bytes. */
function decodeCharset(bytes: Buffer, charset: string): string {
  for (const label of [charset, "utf-8"]) {
    try {
      return new TextDecoder(/ascii/i.test(label) ? "utf-8" : label, { fatal: true }).decode(bytes);
    } catch {
      continue;
    }
  }
  return new TextDecoder("windows-1252").decode(bytes);
}

/** RFC 2047 words in a header. */
function decodeWords(value: string): string {
  return value.replace(
    /=\?([^?]+)\?([BbQq])\?([^?]*)\?=(?:\s+(?==\?))?/g,
    (_, charset: string, kind: string, word: string) => {
      const bytes = kind.toUpperCase() === "B" ? Buffer.from(word, "base64") : quotedPrintable(word.replace(/_/g, " "));
      return decodeCharset(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, "latin1"), charset);
    },
  );
}

function withoutFooters(body: string): string {
  let text = body.trimEnd() + "\n";
  for (let shorter = text.replace(FOOTER, "\n"); shorter !== text; shorter = text.replace(FOOTER, "\n")) text = shorter;
  return text.trimEnd() + "\n";
}
