import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { CorpusError, messageOf } from "./corpus-error";
import { type DocumentStore, openDocuments } from "./documents";
import {
  type Manifest,
  MANIFEST_FILE,
  readManifest,
  type SourceRecord,
  type StoredFile,
  storedFiles,
} from "./manifest";
import { openNpy } from "./npy";
import { builtCorpusFolders, projectFolder } from "./project-folder";
import { tokenizerHash } from "./tokenizer";

export interface DomainCounts {
  name: string;
  description: string;
  trainDocuments: number;
  trainTokens: number;
  validationDocuments: number;
  validationTokens: number;
  heldOutDocuments: number;
  heldOutTokens: number;
}

/** A built corpus, opened for reading. */
export interface Corpus {
  readonly name: string;
  /** The folder of the manifest and the shards. */
  readonly dir: string;
  /** Names the corpus in results: equal hashes mean equal tokens. */
  readonly hash: string;
  /** For `loadTokenizer`. */
  readonly tokenizer: string;
  readonly vocabSize: number;
  /** Id of the token that follows every document. */
  readonly endOfDocument: number;
  readonly domains: readonly DomainCounts[];
  readonly sources: readonly SourceRecord[];
  readonly manifest: Manifest;
  readonly train: DocumentStore;
  /** For choosing and for looking at while training goes on; has no documents where the corpus sets none apart. */
  readonly validation: DocumentStore;
  /** The test documents. */
  readonly heldOut: DocumentStore;
  /** Names of the files that documents were cut from, by the numbers in `DocumentStore.files`; empty if not recorded. */
  fileNames(): string[];
  /** How often each token id occurs in the training documents, their end-of-document tokens included. */
  trainTokenCounts(): Float64Array;
  /** Closes the shards' files; a later read opens them again. */
  close(): void;
}

/** Elements read at once where a whole shard is gone through. */
const CHUNK_TOKENS = 1 << 20;

const NO_DOCUMENTS: DocumentStore = {
  documents: 0,
  tokens: 0,
  lengths: new Uint32Array(),
  domains: new Uint16Array(),
  sources: new Uint16Array(),
  files: new Uint32Array(),
  copyTokens: (document) => {
    throw new RangeError(`document ${document} of a split that has none`);
  },
  tokensOf: (document) => {
    throw new RangeError(`document ${document} of a split that has none`);
  },
  close: () => undefined,
};

/** Names of the corpora that this checkout can build. */
export function knownCorpora(root: string = projectFolder()): string[] {
  const data = path.join(root, "data");
  if (!existsSync(data)) return [];
  return readdirSync(data)
    .filter((name) => existsSync(path.join(data, name, "sources.ts")))
    .sort();
}

/**
 * Opens a built corpus and checks every file of it against the manifest's hashes.
 *
 * @param nameOrFolder the name of a corpus under `data/` or in the folder that `LORY_DATA` names, or the folder of a manifest
 * @throws CorpusError for an unknown name, a corpus that is not built, a missing, altered or malformed file, a manifest
 *   of another format, a tokenizer that is no longer the one the corpus was built with, and no training documents
 */
export async function openCorpus(nameOrFolder: string): Promise<Corpus> {
  const { folder, rebuild } = locate(nameOrFolder);
  const manifest = readManifest(folder, rebuild);
  for (const stored of storedFiles(manifest)) await checkFile(folder, stored, rebuild);
  const { tokenizer } = manifest;
  const present = tokenizerHash(tokenizer.name);
  if (present !== undefined && present !== tokenizer.sha256) {
    throw new CorpusError(`tokenizer ${tokenizer.name} is not the one that ${folder} was built with: ${rebuild}`);
  }
  const train = openDocuments(folder, manifest.splits.train);
  const { validation: validationFiles } = manifest.splits;
  const validation =
    validationFiles === undefined ? NO_DOCUMENTS : openDocuments(folder, validationFiles, train.documents);
  const heldOut = openDocuments(folder, manifest.splits.heldOut, train.documents + validation.documents);
  if (train.tokens === 0) throw new CorpusError(`corpus ${manifest.name} in ${folder} is empty: ${rebuild}`);
  return {
    name: manifest.name,
    dir: folder,
    hash: manifest.hash,
    tokenizer: tokenizer.name,
    vocabSize: tokenizer.vocabSize,
    endOfDocument: tokenizer.endOfDocument,
    domains: manifest.domains.map(({ name, description, splits }) => ({
      name,
      description,
      trainDocuments: splits.train.documents,
      trainTokens: splits.train.tokens,
      validationDocuments: splits.validation?.documents ?? 0,
      validationTokens: splits.validation?.tokens ?? 0,
      heldOutDocuments: splits.heldOut.documents,
      heldOutTokens: splits.heldOut.tokens,
    })),
    sources: manifest.sources,
    manifest,
    train,
    validation,
    heldOut,
    fileNames: () => readFileNames(folder, manifest.fileNames),
    trainTokenCounts: () => countTokens(folder, manifest),
    close: () => [train, validation, heldOut].forEach((store) => store.close()),
  };
}

/** The hash of a built corpus, without a look at its files; undefined if it is not built here. */
export function builtCorpusHash(nameOrFolder: string): string | undefined {
  try {
    const { folder, rebuild } = locate(nameOrFolder);
    return readManifest(folder, rebuild).hash;
  } catch (error) {
    if (error instanceof CorpusError) return undefined;
    throw error;
  }
}

function locate(nameOrFolder: string): { folder: string; rebuild: string } {
  if (!/^[\w-]+$/.test(nameOrFolder)) return { folder: path.resolve(nameOrFolder), rebuild: "build it again" };
  const folders = builtCorpusFolders(nameOrFolder);
  const own = folders[folders.length - 1];
  const folder = folders.find((each) => existsSync(path.join(each, MANIFEST_FILE))) ?? own;
  const known = knownCorpora();
  if (known.includes(nameOrFolder)) return { folder, rebuild: `run npm run data -- build ${nameOrFolder}` };
  if (existsSync(path.join(folder, MANIFEST_FILE))) return { folder, rebuild: "copy it again from where it was built" };
  throw new CorpusError(
    `there is no corpus ${JSON.stringify(nameOrFolder)}; known are ${known.join(", ") || "none"}, and those in a folder that LORY_DATA names`,
  );
}

async function checkFile(folder: string, { file, sizeBytes, sha256 }: StoredFile, rebuild: string): Promise<void> {
  const where = path.join(folder, file);
  const found = statSync(where, { throwIfNoEntry: false })?.size;
  if (found === undefined) throw new CorpusError(`${where} is missing: ${rebuild}`);
  if (found !== sizeBytes) {
    throw new CorpusError(`${where} is damaged: it has ${found} bytes instead of ${sizeBytes}: ${rebuild}`);
  }
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(where), hash);
  } catch (error) {
    throw new CorpusError(`cannot read ${where}: ${messageOf(error)}`);
  }
  if (hash.digest("hex") !== sha256) throw new CorpusError(`${where} is damaged: its hash differs: ${rebuild}`);
}

function readFileNames(folder: string, stored: StoredFile | undefined): string[] {
  if (stored === undefined) return [];
  return gunzipSync(readFileSync(path.join(folder, stored.file)))
    .toString("utf8")
    .split("\n");
}

function countTokens(folder: string, { splits, tokenizer }: Manifest): Float64Array {
  const counts = new Float64Array(tokenizer.vocabSize);
  for (const shard of splits.train.shards) {
    const file = openNpy(path.join(folder, shard.file));
    try {
      for (let start = 0; start < file.length; start += CHUNK_TOKENS) {
        file.read(start, Math.min(CHUNK_TOKENS, file.length - start)).forEach((id: number) => counts[id]++);
      }
    } finally {
      file.close();
    }
    counts[tokenizer.endOfDocument] += shard.documents;
  }
  return counts;
}
