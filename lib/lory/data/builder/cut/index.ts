import type { ArchiveFile } from "../archive";
import {
  cleanText,
  decodeText,
  decodeUtf8,
  isGenerated,
  playText,
  withoutFrontMatter,
  withoutLicenceHeader,
  withoutTexComments,
} from "../clean";
import { dictionaryText, metamathText, rStrings, swordText } from "./books";
import { htmlText } from "./html";
import { messageText } from "./mail";
import { constitutionText, factbookText, licenceText, SECTION_MARK } from "./records";
import { wordnetText } from "./wordnet";
import {
  CODE_LEVELS,
  ENTRY_LEVELS,
  type Levels,
  MARKDOWN_LEVELS,
  TEX_LEVELS,
  type PieceLengths,
  PROSE_LEVELS,
  splitText,
} from "./split";

/** How documents are cut from a file. */
export type Cut = keyof typeof RECIPES;

interface Recipe {
  /** The text of a file; undefined when it has none. */
  read: (content: Buffer) => string | undefined;
  /** What is taken out of a cleaned text. */
  tidy?: (text: string) => string;
  /** Whether a cleaned text was made by a program. */
  generated?: (text: string) => boolean;
  levels: Levels;
  /** Whether a file is a collection, so that its documents need not stay on one side of a split. */
  collection?: boolean;
}

/** After a Metamath statement that ends a line. */
const STATEMENTS = /(?<=\$\.\n)(?=\s*\$\{|\s*\$\()/;
const SECTIONS = new RegExp(`(?=${SECTION_MARK})`);

const fromJson = (read: (json: string) => string | undefined) => (content: Buffer) => {
  const json = decodeUtf8(content);
  return json === undefined ? undefined : read(json);
};

const RECIPES = {
  prose: { read: decodeUtf8, levels: PROSE_LEVELS },
  play: { read: decodeUtf8, tidy: playText, levels: MARKDOWN_LEVELS },
  message: { read: messageText, levels: PROSE_LEVELS },
  factbook: { read: fromJson(factbookText), levels: [SECTIONS, ...PROSE_LEVELS] },
  licence: { read: fromJson(licenceText), levels: PROSE_LEVELS },
  constitution: { read: fromJson(constitutionText), levels: [SECTIONS, ...PROSE_LEVELS] },
  code: { read: decodeUtf8, tidy: withoutLicenceHeader, generated: isGenerated, levels: CODE_LEVELS },
  wordnet: { read: wordnetText, levels: PROSE_LEVELS, collection: true },
  html: { read: htmlText, levels: MARKDOWN_LEVELS },
  tex: { read: decodeText, tidy: withoutTexComments, levels: TEX_LEVELS },
  sword: { read: swordText, levels: PROSE_LEVELS, collection: true },
  rdata: { read: rStrings, levels: PROSE_LEVELS, collection: true },
  dictionary: { read: dictionaryText, levels: ENTRY_LEVELS, collection: true },
  metamath: { read: metamathText, levels: [SECTIONS, STATEMENTS, ...PROSE_LEVELS], collection: true },
  proofs: { read: decodeText, tidy: withoutLicenceHeader, levels: CODE_LEVELS },
  markdown: { read: decodeUtf8, tidy: withoutFrontMatter, levels: MARKDOWN_LEVELS },
} satisfies Record<string, Recipe>;

/** What became of a file: its text and the documents cut from it, or why there are none. */
export type CutFile =
  | { kind: "text"; readable: string; documents: string[]; isCollection: boolean }
  | { kind: "no text" }
  | { kind: "generated"; readable: string };

/**
 * Reads, cleans and cuts a file.
 *
 * @throws SyntaxError when a record is not JSON
 */
export function cutFile(file: ArchiveFile, cut: Cut, lengths: PieceLengths): CutFile {
  const recipe: Recipe = RECIPES[cut];
  const text = recipe.read(file.content);
  if (text === undefined) return { kind: "no text" };
  const readable = cleanText(text);
  if (recipe.generated?.(readable) === true) return { kind: "generated", readable };
  const tidied = recipe.tidy === undefined ? readable : cleanText(recipe.tidy(readable));
  const documents = splitText(tidied, recipe.levels, lengths)
    .map((piece) =>
      piece
        .replaceAll(SECTION_MARK, "")
        .replace(/^\s*\n/, "")
        .trimEnd(),
    )
    .filter((piece) => piece !== "");
  return { kind: "text", readable, documents, isCollection: recipe.collection === true };
}
