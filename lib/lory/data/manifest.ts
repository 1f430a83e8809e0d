import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { CorpusError, messageOf, systemCode } from "./corpus-error";
import type { NpyDtype } from "./npy";

/** Raised whenever a reader of the previous format would misread a corpus. */
export const FORMAT_VERSION = 1;
export const MANIFEST_FILE = "manifest.json";

/** Documents that training sees; those that are looked at meanwhile; and the test documents, which final figures are of. */
export const SPLITS = ["train", "validation", "heldOut"] as const;
export type SplitName = (typeof SPLITS)[number];

/** Something of each split. Small corpora have no documents for validation. */
export type BySplit<T> = Record<"train" | "heldOut", T> & { validation?: T };

/** A file of a corpus, with what proves that it is whole. */
export interface StoredFile {
  file: string;
  sizeBytes: number;
  sha256: string;
}

/** A `.npy` file of the token ids of whole documents, one after the other, without separators. */
export interface Shard extends StoredFile {
  documents: number;
  tokens: number;
}

/** Documents, UTF-8 bytes and tokens. */
export interface Counts {
  documents: number;
  bytes: number;
  tokens: number;
}

export interface SplitFiles {
  shards: Shard[];
  /** uint32, tokens of each document, in the order of the shards. */
  lengths: StoredFile;
  /** uint16, index into the manifest's domains of each document. */
  domains: StoredFile;
  /** uint16, index into the manifest's sources of each document. */
  sources: StoredFile;
  /** uint32, line of `Manifest.fileNames` of each document; only when the documents are parts of files. */
  files?: StoredFile;
}

/** What was left after a step of the builder. */
export interface StepCounts {
  step: string;
  documents: number;
  bytes: number;
}

export interface DomainRecord {
  name: string;
  description: string;
  /** In the order in which they were taken; each states what is left after it. */
  steps: StepCounts[];
  splits: BySplit<Counts>;
}

/** A package that documents were cut from, and what of it is in the corpus. */
export interface SourceRecord extends Counts {
  ecosystem: string;
  package: string;
  version: string;
  licence: string;
  domain: string;
  downloadBytes: number;
}

export interface TokenizerRecord {
  name: string;
  /** Of `tokenizer.json`. */
  sha256: string;
  vocabSize: number;
  /** Id of the token that follows every document. */
  endOfDocument: number;
}

/** `manifest.json`: everything about a corpus but its tokens. */
export interface Manifest {
  formatVersion: number;
  name: string;
  description: string;
  /** Names the corpus in results: equal hashes mean equal tokens, order, domains and tokenizer. */
  hash: string;
  /** Hash of what the corpus was built from (definition, builder, tokenizer); an equal one needs no second build. */
  inputsHash: string;
  dtype: NpyDtype;
  tokenizer: TokenizerRecord;
  domains: DomainRecord[];
  sources: SourceRecord[];
  /** Names of the files that documents were cut from, one a line, gzipped. */
  fileNames?: StoredFile;
  splits: BySplit<SplitFiles>;
}

/** All files of a corpus but the manifest. */
export function storedFiles({ splits, fileNames }: Pick<Manifest, "splits" | "fileNames">): StoredFile[] {
  const ofSplits = SPLITS.flatMap((split) => {
    const { shards = [], ...index } = splits[split] ?? {};
    return [...shards, ...Object.values(index)];
  });
  return fileNames === undefined ? ofSplits : [...ofSplits, fileNames];
}

/** SHA-256 as hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/**
 * The hash that names a corpus: over the tokenizer, the domains' names and the hashes of all files, and nothing that may
 * differ between two builds of the same tokens (descriptions, counts of cleaning steps, licences).
 */
export function corpusHash(manifest: Omit<Manifest, "hash">): string {
  const files = SPLITS.flatMap((split) => {
    const stored = manifest.splits[split];
    if (stored === undefined) return [];
    const { shards, lengths, domains } = stored;
    return [[split, shards.map((shard) => [shard.tokens, shard.sha256]), lengths.sha256, domains.sha256]];
  });
  const { sha256: tokenizer, endOfDocument } = manifest.tokenizer;
  const names = manifest.domains.map((domain) => domain.name);
  return sha256(JSON.stringify([manifest.formatVersion, manifest.dtype, tokenizer, endOfDocument, names, files]));
}

/**
 * Reads and checks `manifest.json` of a built corpus.
 *
 * @param folder the folder that holds the manifest and the shards
 * @param rebuild what to do about a missing or unusable one, as the end of a sentence
 * @throws CorpusError for a missing, unreadable or altered manifest and one of another format
 */
export function readManifest(folder: string, rebuild: string): Manifest {
  const file = path.join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const missing = systemCode(error) === "ENOENT";
    throw new CorpusError(missing ? `there is no corpus in ${folder}: ${rebuild}` : messageOf(error));
  }
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (error) {
    throw new CorpusError(`${file} is damaged (${messageOf(error)}): ${rebuild}`);
  }
  if (manifest.formatVersion !== FORMAT_VERSION) {
    const found = JSON.stringify(manifest.formatVersion) ?? "none";
    throw new CorpusError(`${file} has format version ${found}, this library reads ${FORMAT_VERSION}: ${rebuild}`);
  }
  let expected: string;
  try {
    expected = corpusHash(manifest);
  } catch (error) {
    throw new CorpusError(`${file} is incomplete (${messageOf(error)}): ${rebuild}`);
  }
  if (manifest.hash !== expected) {
    throw new CorpusError(`${file} was altered, its hash does not fit its content: ${rebuild}`);
  }
  return manifest;
}
