/** Draws whole files: documents of one file are never on two sides. */
import { CorpusError } from "../corpus-error";
import { sha256, type SplitName } from "../manifest";
import type { CorpusDefinition } from "./definition";

interface FilePart {
  file: string;
  /** UTF-8 bytes. */
  bytes: number;
}

export const sumBytes = (documents: readonly { bytes: number }[]) =>
  documents.reduce((sum, { bytes }) => sum + bytes, 0);

function fileSizes(documents: readonly FilePart[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { file, bytes } of documents) sizes.set(file, (sizes.get(file) ?? 0) + bytes);
  return sizes;
}

/**
 * Draws whole files, in the order of a hash of their names, until `bytes` are reached; a file that would go beyond is
 * passed over. Both halves keep the given order.
 */
export function drawFiles<Document extends FilePart>(documents: Document[], salt: string, bytes: number) {
  const order = [...fileSizes(documents)].map(([file, size]) => ({ file, size, key: sha256(`${salt}\n${file}`) }));
  const drawn = new Set<string>();
  let sum = 0;
  for (const { file, size } of order.sort((a, b) => (a.key < b.key ? -1 : 1))) {
    if (sum + size > bytes) continue;
    sum += size;
    drawn.add(file);
  }
  return {
    drawn: documents.filter(({ file }) => drawn.has(file)),
    others: documents.filter(({ file }) => !drawn.has(file)),
  };
}

/**
 * Sets shares of a domain's files apart for the test and for validation; at least the smallest file, where all are larger
 * than the share.
 *
 * @throws CorpusError when no file is left to train on
 */
export function splitFiles<Document extends FilePart>(
  documents: Document[],
  { heldOutFraction, validationFraction = 0 }: Pick<CorpusDefinition, "heldOutFraction" | "validationFraction">,
  domain: string,
): Record<SplitName, Document[]> {
  const bytes = sumBytes(documents);
  const setApart = (from: Document[], salt: string, fraction: number) => {
    const smallest = [...fileSizes(from).values()].reduce((least, size) => Math.min(least, size), Infinity);
    const split = drawFiles(from, salt, Math.max(fraction * bytes, smallest));
    if (split.others.length > 0) return split;
    const few = new Set(documents.map(({ file }) => file)).size;
    throw new CorpusError(
      `domain ${domain} has ${few === 1 ? "one file" : `${few} files`} only: it cannot be split into train and held-out files`,
    );
  };
  const test = setApart(documents, "held out", heldOutFraction);
  if (validationFraction === 0) return { train: test.others, validation: [], heldOut: test.drawn };
  const validation = setApart(test.others, "validation", validationFraction);
  return { train: validation.others, validation: validation.drawn, heldOut: test.drawn };
}
