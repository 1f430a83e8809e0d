/** Tokenized documents to a corpus folder: shards, index and manifest, all or nothing. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CorpusError, messageOf, systemCode } from "../corpus-error";
import {
  corpusHash,
  type Counts,
  FORMAT_VERSION,
  type Manifest,
  MANIFEST_FILE,
  sha256,
  type Shard,
  type SourceRecord,
  type SplitFiles,
  type SplitName,
  SPLITS,
  type StepCounts,
  type StoredFile,
  type TokenizerRecord,
} from "../manifest";
import { encodeNpy, type NpyDtype } from "../npy";
import { closeScratch, openScratch } from "./scratch";

/** Tokens of a shard that is not the last: 32 MB in uint16. */
const SHARD_TOKENS = 1 << 24;
const LARGEST_UINT16 = 0xffff;

export interface TokenDocument {
  /** Index in the corpus's domains. */
  domain: number;
  /** Index in the corpus's sources. */
  source: number;
  /** UTF-8 bytes of its text. */
  bytes: number;
  /** Without an end-of-document token. */
  tokens: ArrayLike<number>;
}

export interface CorpusContent {
  name: string;
  description: string;
  tokenizer: TokenizerRecord;
  domains: readonly { name: string; description: string; steps: StepCounts[] }[];
  sources: readonly Omit<SourceRecord, keyof Counts>[];
  documents: Record<SplitName, readonly TokenDocument[]>;
}

export interface WriteOptions {
  /** What the corpus was made from; see `Manifest.inputsHash`. */
  inputsHash?: string;
  /** A shard is closed when it holds as many tokens. */
  shardTokens?: number;
  /** Writes a file and waits until it is on the disk. */
  writeFile?: (file: string, content: Uint8Array | string) => void;
}

/**
 * Writes a corpus folder. Everything is written beside it first and moved to its place when it is whole, so that neither a
 * full disk nor a kill leaves something that looks like a corpus; a corpus that stood there before stays until then.
 *
 * @param folder what will hold the manifest; its parent must exist
 * @returns the manifest
 * @throws CorpusError when a file cannot be written or there are no documents to train on
 */
export function writeCorpus(folder: string, content: CorpusContent, options: WriteOptions = {}): Manifest {
  const { inputsHash = "", shardTokens = SHARD_TOKENS, writeFile = writeThrough } = options;
  if (content.documents.train.length === 0) throw new CorpusError(`corpus ${content.name} has no training documents`);
  let scratch: string | undefined;
  try {
    scratch = openScratch(path.dirname(folder), "build");
    const fresh = path.join(scratch, "fresh");
    mkdirSync(fresh);
    const store = (file: string, bytes: Uint8Array): StoredFile => {
      writeFile(path.join(fresh, file), bytes);
      return { file, sizeBytes: bytes.length, sha256: sha256(bytes) };
    };
    const dtype = content.tokenizer.vocabSize - 1 > LARGEST_UINT16 ? "uint32" : "uint16";
    const splits = Object.fromEntries(
      SPLITS.map((split) => [split, writeSplit(split, content.documents[split], dtype, shardTokens, store)]),
    ) as Record<SplitName, SplitFiles>;
    const manifest: Omit<Manifest, "hash"> = {
      formatVersion: FORMAT_VERSION,
      name: content.name,
      description: content.description,
      inputsHash,
      dtype,
      tokenizer: content.tokenizer,
      domains: content.domains.map((domain, index) => ({
        ...domain,
        splits: countBySplit(content.documents, (document) => document.domain === index),
      })),
      sources: content.sources.map((source, index) => {
        const { train, heldOut } = countBySplit(content.documents, (document) => document.source === index);
        return { ...source, ...addCounts(train, heldOut) };
      }),
      splits,
    };
    const hashed: Manifest = { ...manifest, hash: corpusHash(manifest) };
    writeFile(path.join(fresh, MANIFEST_FILE), `${JSON.stringify(hashed, null, 2)}\n`);
    if (existsSync(folder)) renameSync(folder, path.join(scratch, "previous"));
    renameSync(fresh, folder);
    return hashed;
  } catch (error) {
    if (systemCode(error) === "ENOSPC") {
      throw new CorpusError(`the disk is full, corpus ${content.name} was not written: free some space and try again`);
    }
    throw error instanceof CorpusError
      ? error
      : new CorpusError(`corpus ${content.name} was not written: ${messageOf(error)}`);
  } finally {
    if (scratch !== undefined) closeScratch(scratch);
  }
}

function writeThrough(file: string, content: Uint8Array | string): void {
  writeFileSync(file, content, { flush: true });
}

function writeSplit(
  split: SplitName,
  documents: readonly TokenDocument[],
  dtype: NpyDtype,
  shardTokens: number,
  store: (file: string, bytes: Uint8Array) => StoredFile,
): SplitFiles {
  const shards: Shard[] = [];
  for (let first = 0; first < documents.length;) {
    let end = first;
    let tokens = 0;
    while (end < documents.length && tokens < shardTokens) tokens += documents[end++].tokens.length;
    const ids = dtype === "uint16" ? new Uint16Array(tokens) : new Uint32Array(tokens);
    let at = 0;
    for (const document of documents.slice(first, end)) {
      ids.set(document.tokens, at);
      at += document.tokens.length;
    }
    const file = `${split}-${String(shards.length).padStart(5, "0")}.npy`;
    shards.push({ ...store(file, encodeNpy(ids)), documents: end - first, tokens });
    first = end;
  }
  const index = (name: string, values: Uint16Array | Uint32Array) => store(`${split}-${name}.npy`, encodeNpy(values));
  return {
    shards,
    lengths: index(
      "lengths",
      Uint32Array.from(documents, ({ tokens }) => tokens.length),
    ),
    domains: index(
      "domains",
      Uint16Array.from(documents, ({ domain }) => domain),
    ),
    sources: index(
      "sources",
      Uint16Array.from(documents, ({ source }) => source),
    ),
  };
}

function countBySplit(
  documents: CorpusContent["documents"],
  belongs: (document: TokenDocument) => boolean,
): Record<SplitName, Counts> {
  const count = (split: SplitName) =>
    documents[split]
      .filter(belongs)
      .map(({ bytes, tokens }) => ({ documents: 1, bytes, tokens: tokens.length }))
      .reduce(addCounts, { documents: 0, bytes: 0, tokens: 0 });
  return { train: count("train"), heldOut: count("heldOut") };
}

function addCounts(a: Counts, b: Counts): Counts {
  return { documents: a.documents + b.documents, bytes: a.bytes + b.bytes, tokens: a.tokens + b.tokens };
}
