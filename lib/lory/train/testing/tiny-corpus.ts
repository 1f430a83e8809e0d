import fs from "node:fs/promises";
import path from "node:path";
import { writeCorpus, type TokenDocument } from "../../data";

/** Pieces of the tiny corpus; the last one ends a document. */
export const TINY_VOCABULARY = 32;

const DOMAINS = ["rising", "falling"] as const;

/**
 * Writes a corpus of two domains that a model tells apart in a few steps: token ids count up in one and down in the other,
 * with a step of 1 or 2.
 *
 * @param folder will hold the corpus; made if missing
 */
export async function writeTinyCorpus(folder: string, trainDocuments = 40): Promise<void> {
  await fs.mkdir(path.dirname(folder), { recursive: true });
  const documents = (count: number, first: number): TokenDocument[] =>
    Array.from({ length: count * DOMAINS.length }, (_, i) => {
      const domain = i % DOMAINS.length;
      const tokens = Array.from({ length: 20 + ((first + i) % 17) }, (__, t) => {
        const place = (first + i + t + Math.floor((t * ((first + i) % 3)) / 2)) % (TINY_VOCABULARY - 1);
        return domain === 0 ? place : TINY_VOCABULARY - 2 - place;
      });
      return { domain, source: domain, bytes: tokens.length, tokens };
    });
  writeCorpus(folder, {
    name: "tiny",
    description: "Numbers that count up or down",
    tokenizer: { name: "none", sha256: "", vocabSize: TINY_VOCABULARY, endOfDocument: TINY_VOCABULARY - 1 },
    domains: DOMAINS.map((name) => ({ name, description: name, steps: [] })),
    sources: DOMAINS.map((domain) => ({
      ecosystem: "none",
      package: domain,
      version: "1",
      licence: "CC0-1.0",
      domain,
      downloadBytes: 0,
    })),
    documents: { train: documents(trainDocuments, 0), heldOut: documents(8, 1000) },
  });
}
