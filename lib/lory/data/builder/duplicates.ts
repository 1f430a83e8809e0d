/** Copies among documents: exact ones, and documents that mostly repeat paragraphs of earlier ones. */
import { createHash } from "node:crypto";

/** Shorter paragraphs repeat for good reasons (headings, braces, greetings) and are not compared. */
const SHORTEST_PARAGRAPH = 60;

/** A document is dropped when more than this share of its compared characters was seen before. */
export const MOST_REPEATED = 1 / 3;

/** 48 bits, so that millions of them fit in memory and hardly two texts share one. */
function fingerprint(text: string): number {
  return createHash("sha1").update(text).digest().readUIntBE(0, 6);
}

const normalized = (text: string) => text.replace(/\s+/g, " ").trim();

/** Tells for each document of a sequence whether an earlier one had the same words in the same order. */
export function exactDuplicates(): (text: string) => boolean {
  const seen = new Set<number>();
  return (text) => {
    const key = fingerprint(normalized(text));
    if (seen.has(key)) return true;
    seen.add(key);
    return false;
  };
}

/**
 * Tells for each document of a sequence whether it mostly repeats earlier ones: more than a third of its text stands in
 * paragraphs (between blank lines) that a document before it has, whatever their case, spacing and marks of quotation.
 * It finds variants of a licence, quoted mail and copied code. The paragraphs of dropped documents are not remembered.
 */
export function mostlyRepeated(): (text: string) => boolean {
  const seen = new Set<number>();
  return (text) => {
    const paragraphs = text
      .split(/\n[>|*#\s]*\n/)
      .map((paragraph) => normalized(paragraph.replace(/^[ \t>|*#/]+/gm, "")).toLowerCase())
      .filter((paragraph) => paragraph.length >= SHORTEST_PARAGRAPH)
      .map((paragraph) => ({ length: paragraph.length, key: fingerprint(paragraph) }));
    let compared = 0;
    let repeated = 0;
    for (const { length, key } of paragraphs) {
      compared += length;
      if (seen.has(key)) repeated += length;
    }
    if (repeated > MOST_REPEATED * compared) return true;
    paragraphs.forEach(({ key }) => seen.add(key));
    return false;
  };
}
