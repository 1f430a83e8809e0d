import { writeFileSync } from "node:fs";
import path from "node:path";
import { type CorpusContent, type TokenDocument, writeCorpus, type WriteOptions } from "./builder/write";
import { type BySplit, type Manifest, sha256 } from "./manifest";

/** A document given by its domain's index and its tokens. */
export interface TinyDocument {
  domain: number;
  tokens: number[];
}

export const TINY_END = 0;
export const TINY_DOMAINS = ["north", "south"] as const;

/** The content of a corpus of given tokens, with two domains and token 0 between documents: for tests. */
export function tinyContent(
  documents: BySplit<TinyDocument[]>,
  vocabSize = 1000,
): CorpusContent & { documents: BySplit<TokenDocument[]> } {
  const stored = (some: TinyDocument[]) =>
    some.map(({ domain, tokens }) => ({ domain, source: domain, bytes: 3 * tokens.length, tokens }));
  return {
    name: "tiny",
    description: "tokens made by a test",
    tokenizer: { name: path.join("no", "such", "tokenizer"), sha256: sha256(""), vocabSize, endOfDocument: TINY_END },
    domains: TINY_DOMAINS.map((name) => ({ name, description: `the ${name}`, steps: [] })),
    sources: TINY_DOMAINS.map((domain) => ({
      ecosystem: "npm",
      package: `${domain}-texts`,
      version: "1.0.0",
      licence: "CC0-1.0",
      domain,
      downloadBytes: 100,
    })),
    documents: {
      train: stored(documents.train),
      ...(documents.validation === undefined ? {} : { validation: stored(documents.validation) }),
      heldOut: stored(documents.heldOut),
    },
  };
}

/** Writes such a corpus, without waiting for the disk. */
export function writeTinyCorpus(
  folder: string,
  documents: BySplit<TinyDocument[]>,
  options: WriteOptions & { vocabSize?: number } = {},
): Manifest {
  return writeCorpus(folder, tinyContent(documents, options.vocabSize), { writeFile: writeFileSync, ...options });
}
