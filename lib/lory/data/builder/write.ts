/** Tokenized documents to a corpus folder: shards, index and manifest, all or nothing. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CorpusError, messageOf, systemCode } from "../corpus-error";
import {
  type BySplit,
  corpusHash,
  type Counts,
  FORMAT_VERSION,
  type Manifest,
  MANIFEST_FILE,
  sha256,
  type SourceRecord,
  type StepCounts,
  type StoredFile,
  type TokenizerRecord,
} from "../manifest";
import { npyDtypeFor } from "../npy";
import { closeScratch, openScratch } from "./scratch";
import { type FileNames, writeFileNames, writeSplit, type WrittenSplit } from "./write-split";

/** Tokens of a shard that is not the last: 32 MB in uint16. */
const SHARD_TOKENS = 1 << 24;

export interface TokenDocument {
  /** Index in the corpus's domains. */
  domain: number;
  /** Index in the corpus's sources. */
  source: number;
  /** The file that it was cut from; documents without one stand for themselves. */
  file?: string;
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
  /** Gone through once, in the order of the splits; nothing but a shard of them is held in memory. */
  documents: BySplit<Iterable<TokenDocument>>;
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
  let scratch: string | undefined;
  try {
    scratch = openScratch(path.dirname(folder), "build");
    const fresh = path.join(scratch, "fresh");
    mkdirSync(fresh);
    const store = (file: string, bytes: Uint8Array): StoredFile => {
      writeFile(path.join(fresh, file), bytes);
      return { file, sizeBytes: bytes.length, sha256: sha256(bytes) };
    };
    const dtype = npyDtypeFor(content.tokenizer.vocabSize);
    const fileNames: FileNames = new Map();
    const write = (split: keyof BySplit<unknown>, documents: Iterable<TokenDocument>) =>
      writeSplit(split, documents, { dtype, shardTokens, fileNames, store });
    const train = write("train", content.documents.train);
    if (train.documents === 0) throw new CorpusError(`corpus ${content.name} has no training documents`);
    const { validation } = content.documents;
    const written: BySplit<WrittenSplit> = {
      train,
      ...(validation === undefined ? {} : { validation: write("validation", validation) }),
      heldOut: write("heldOut", content.documents.heldOut),
    };
    const manifest: Omit<Manifest, "hash"> = {
      formatVersion: FORMAT_VERSION,
      name: content.name,
      description: content.description,
      inputsHash,
      dtype,
      tokenizer: content.tokenizer,
      domains: content.domains.map((domain, index) => ({
        ...domain,
        splits: mapSplits(written, ({ byDomain }) => byDomain[index] ?? NOTHING),
      })),
      sources: content.sources.map((source, index) => ({
        ...source,
        ...Object.values(written)
          .map(({ bySource }) => bySource[index] ?? NOTHING)
          .reduce(addCounts),
      })),
      ...(fileNames.size > 0 ? { fileNames: writeFileNames(fileNames, store) } : {}),
      splits: mapSplits(written, ({ files }) => files),
    };
    const hashed: Manifest = { ...manifest, hash: corpusHash(manifest) };
    writeFile(path.join(fresh, MANIFEST_FILE), `${JSON.stringify(hashed, null, 2)}\n`);
    if (existsSync(folder)) renameSync(folder, path.join(scratch, "previous"));
    renameSync(fresh, folder);
    return hashed;
  } catch (error) {
    throw asWriteError(content.name, error);
  } finally {
    if (scratch !== undefined) closeScratch(scratch);
  }
}

/** What a failure to write a corpus is reported as. */
export function asWriteError(name: string, error: unknown): CorpusError {
  if (systemCode(error) === "ENOSPC") {
    return new CorpusError(`the disk is full, corpus ${name} was not written: free some space and try again`);
  }
  return error instanceof CorpusError ? error : new CorpusError(`corpus ${name} was not written: ${messageOf(error)}`);
}

const NOTHING: Counts = { documents: 0, bytes: 0, tokens: 0 };

function addCounts(a: Counts, b: Counts): Counts {
  return { documents: a.documents + b.documents, bytes: a.bytes + b.bytes, tokens: a.tokens + b.tokens };
}

function mapSplits<From, To>({ train, validation, heldOut }: BySplit<From>, map: (split: From) => To): BySplit<To> {
  return {
    train: map(train),
    ...(validation === undefined ? {} : { validation: map(validation) }),
    heldOut: map(heldOut),
  };
}

function writeThrough(file: string, content: Uint8Array | string): void {
  writeFileSync(file, content, { flush: true });
}
