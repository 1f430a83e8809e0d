/** Cleaning that every document goes through, and the marks of files that are no text of a person. */

const LONGEST_LINE = 4000;
const LONGEST_MEAN_LINE = 220;
const LARGEST_CODE_FILE = 250_000;
const FEWEST_LETTERS = 0.4;
const MOST_FOREIGN_LETTERS = 0.02;

/** UTF-8 bytes as text; undefined when they are not UTF-8 or hold a NUL. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** UTF-8 or else Latin-1 bytes as text; undefined when they hold a NUL. */
export function decodeText(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined;
  return decodeUtf8(bytes) ?? bytes.toString("latin1");
}

/** LaTeX without its comments, and what is left of a documented package when its code's line marks are taken off. */
export function withoutTexComments(tex: string): string {
  return tex.replace(/^[ \t]*%.*\n/gm, "").replace(/(?<!\\)%.*$/gm, "");
}

/** Line ends as \n, no control characters but tab, newline and form feed, no space at line ends, at most two blank lines. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?|\u2028|\u2029/g, "\n")
    .replace(/(?![\t\n\f])[\p{Cc}\ufeff\u00ad]/gu, "")
    .replace(/[ \t\u00a0]+$/gm, "")
    .replace(/\n{4,}/g, "\n\n\n");
}

/** Whether at most 2 % of the letters are not of the English alphabet: other scripts, and languages with many accents, are more. */
export function isEnglishScript(text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  const english = text.match(/[a-z]/gi)?.length ?? 0;
  return letters - english <= MOST_FOREIGN_LETTERS * letters;
}

/** Whether a source file is minified, a table of data or otherwise not written by hand. */
export function isGenerated(code: string): boolean {
  const lines = code.split("\n");
  const letters = code.match(/\p{L}/gu)?.length ?? 0;
  return (
    code.length > LARGEST_CODE_FILE ||
    code.length / lines.length > LONGEST_MEAN_LINE ||
    lines.some((line) => line.length > LONGEST_LINE) ||
    letters < FEWEST_LETTERS * code.replace(/\s/g, "").length ||
    /^.{0,200}(?:@generated|auto-?generated|do not edit)/is.test(code)
  );
}

/** Code without the copyright notice that opens a file: a leading comment that speaks of a licence or a copyright. */
export function withoutLicenceHeader(code: string): string {
  const comment = /^(?:#!.*\n|# -\*-.*\n|\s)*(?:\/\*[^]*?\*\/|(?:(?:\/\/|#)[^\n]*\n)+)/.exec(code)?.[0];
  if (comment === undefined || !/copyright|licen[cs]e|SPDX/i.test(comment)) return code;
  return code.slice(comment.length).replace(/^\s*\n/, "");
}

/** A Markdown page without its front matter, comments and reference links at its end. */
export function withoutFrontMatter(page: string): string {
  return page
    .replace(/^---\n[^]*?\n---\n/, "")
    .replace(/<!--[^]*?-->/g, "")
    .replace(/^\[[^\]\n]+\]: +\S+.*\n?/gm, "");
}

/** A play's Markdown as it is printed: speakers in capitals on their own line, directions in brackets. */
export function playText(markdown: string): string {
  return markdown
    .replace(/\\(?=[[\]])/g, "")
    .replace(/\*\*([^*\n]+)\*\*/g, "$1")
    .replace(/_\[([^_\n]+)\]_/g, "[$1]")
    .replace(/^_([^_\n]+)_[ \t]*$/gm, "[$1]")
    .replace(/_([^_\n]+)_/g, "[$1]");
}
