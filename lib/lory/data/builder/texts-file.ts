/** What was cut for a corpus, as a file: a build that was killed while it tokenized need not cut again. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { SPLITS, type SplitName } from "../manifest";
import type { CorpusTexts, TextDocument } from "./texts";

interface Columns {
  domain: number[];
  source: number[];
  /** Index in `TextsFile.files`. */
  file: number[];
  at: number[];
  bytes: number[];
}

interface TextsFile<Texts extends CorpusTexts> {
  files: string[];
  others: Omit<Texts, "splits">;
  splits: Record<SplitName, Columns>;
}

/** Writes the file, whole or not at all. */
export function writeTexts(file: string, { splits, ...others }: CorpusTexts): void {
  const numbers = new Map<string, number>();
  const columns = (documents: TextDocument[]): Columns => {
    const all: Columns = { domain: [], source: [], file: [], at: [], bytes: [] };
    for (const document of documents) {
      const known = numbers.get(document.file) ?? numbers.size;
      numbers.set(document.file, known);
      all.domain.push(document.domain);
      all.source.push(document.source);
      all.file.push(known);
      all.at.push(document.at);
      all.bytes.push(document.bytes);
    }
    return all;
  };
  const stored = Object.fromEntries(SPLITS.map((split) => [split, columns(splits[split])]));
  const content = { splits: stored, others, files: [...numbers.keys()] };
  writeFileSync(`${file}.part`, JSON.stringify(content), { flush: true });
  renameSync(`${file}.part`, file);
}

/** Reads what `writeTexts` wrote; undefined when it is not there. */
export function readTexts<Texts extends CorpusTexts>(file: string): Texts | undefined {
  if (!existsSync(file)) return undefined;
  const { files, others, splits } = JSON.parse(readFileSync(file, "utf8")) as TextsFile<Texts>;
  const documents = (columns: Columns) =>
    columns.domain.map((domain, index): TextDocument => ({
      domain,
      source: columns.source[index],
      file: files[columns.file[index]],
      at: columns.at[index],
      bytes: columns.bytes[index],
    }));
  const [train, validation, heldOut] = SPLITS.map((split) => documents(splits[split]));
  return { ...others, splits: { train, validation, heldOut } } as Texts;
}
