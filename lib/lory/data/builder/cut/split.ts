/** Cuts long texts at the best places that there are. */

/** Lengths in UTF-16 code units. */
export interface PieceLengths {
  /** Neighbouring parts are put together as long as they are not longer than this. */
  target: number;
  /** No piece is longer. */
  max: number;
}

/** Places between parts, the best first: each expression matches the empty string where a part may begin. */
export type Levels = readonly RegExp[];

/** Chapters and letters: between paragraphs, else lines, else sentences. */
export const PROSE_LEVELS: Levels = [/(?<=\n\n)(?=\S)/, /(?<=\n)/, /(?<=[.;!?]["')\]]?\s)/];

/** Source code: between blocks that start at the margin, then in the first indentation, then at any blank line. */
export const CODE_LEVELS: Levels = [
  /(?<=\n[ \t]*\n)(?=[^\s)}\]])/,
  /(?<=\n[ \t]*\n)(?=(?: {2}| {4}|\t)[^\s)}\]])/,
  /(?<=\n[ \t]*\n)(?=[ \t]*\S)/,
  /(?<=\n)/,
];

/** Markdown: before headings, greater ones first, then between paragraphs. */
export const MARKDOWN_LEVELS: Levels = [/(?<=\n)(?=#{1,2} )/, /(?<=\n)(?=#{3,6} )/, ...PROSE_LEVELS];

/** LaTeX: before sections, greater ones first, then between paragraphs. */
export const TEX_LEVELS: Levels = [
  /(?<=\n)(?=\\(?:part|chapter|section)\b)/,
  /(?<=\n)(?=\\(?:sub)+section\b|\\begin\{(?:theorem|lemma|definition|example|proof)\})/,
  ...PROSE_LEVELS,
];

/** Dictionaries: before entries, which begin at the margin. */
export const ENTRY_LEVELS: Levels = [/(?<=\n)(?=\S)/, ...PROSE_LEVELS];

/**
 * Cuts a text into pieces of at most `max` units. A text that fits is one piece. Otherwise it is parted at the first
 * level, parts that are still too long at the next, and neighbours are joined up to `target`. Where no level helps the
 * cut falls anywhere, but not inside a code point. The pieces, joined, are the text.
 */
export function splitText(text: string, levels: Levels, lengths: PieceLengths): string[] {
  if (text.length <= lengths.max) return text === "" ? [] : [text];
  const [level, ...finer] = levels;
  const parts = level === undefined ? splitAnywhere(text, lengths.target) : text.split(level);
  const pieces: string[] = [];
  let open = "";
  for (const part of parts.flatMap((each) => splitText(each, finer, lengths))) {
    if (open !== "" && open.length + part.length > lengths.target) {
      pieces.push(open);
      open = "";
    }
    open += part;
  }
  if (open !== "") pieces.push(open);
  return pieces;
}

function splitAnywhere(text: string, length: number): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    const isPair = (text.codePointAt(start + length - 1) ?? 0) > 0xffff;
    const end = start + length + (isPair ? 1 : 0);
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}
