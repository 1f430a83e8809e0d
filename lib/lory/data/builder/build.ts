/** Builds a corpus of `data/`: packages, texts, tokens, shards. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { CorpusError, systemCode } from "../corpus-error";
import { FORMAT_VERSION, type Manifest, readManifest, sha256, SPLITS } from "../manifest";
import { npyDtypeFor } from "../npy";
import { corpusFolder, packageCache, projectFolder } from "../project-folder";
import { loadTokenizer, tokenizerHash } from "../tokenizer";
import { type CorpusDefinition, packageId, type PinnedPackage } from "./definition";
import { archivePath, fetchPackages, type RunProgram } from "./packages";
import { encodeSpool } from "./encode";
import { closeScratch, openScratch, resumeScratch } from "./scratch";
import { openSpool, type TextSpool } from "./spool";
import { corpusTexts, type CorpusTexts, type TextDocument } from "./texts";
import { readTexts, writeTexts } from "./texts-file";
import { asWriteError, type TokenDocument, writeCorpus, type WriteOptions } from "./write";

/** How far a build is. */
export interface BuildProgress {
  stage: "fetch" | "cut" | "encode" | "write";
  done: number;
  total: number;
  /** The package or domain in work. */
  detail: string;
}

export interface BuildOptions {
  /** The folder to write, `data/<name>/build` by default. */
  folder?: string;
  /** Where archives are kept, `.cache/packages` by default. */
  cache?: string;
  onProgress?: (progress: BuildProgress) => void;
  run?: RunProgram;
  inputsHash?: string;
  writeFile?: WriteOptions["writeFile"];
}

/**
 * What a corpus of `data/` is built from, as one hash: its table of sources, the builder's code, its tokenizer and the
 * format. While it equals the manifest's the corpus need not be built again.
 */
export function inputsHash(name: string, tokenizer: string, root: string = projectFolder()): string {
  const builder = path.join(root, "lib", "lory", "data", "builder");
  const files = readdirSync(builder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .sort()
    .map((file) => path.join(builder, file));
  const hashes = [...withImports(path.join(corpusFolder(name, root), "sources.ts")), ...files].map((file) =>
    sha256(readFileSync(file)),
  );
  return sha256(JSON.stringify([FORMAT_VERSION, tokenizerHash(tokenizer), hashes]));
}

/** A table of sources and the tables that it imports from other corpora. */
function withImports(file: string): string[] {
  const imported = [...readFileSync(file, "utf8").matchAll(/ from "(\.\.?\/[^"]+)"/g)].map(([, relative]) => {
    const target = path.join(path.dirname(file), relative);
    return path.extname(target) === "" ? `${target}.ts` : target;
  });
  return [file, ...imported.flatMap((each) => (each.endsWith(".ts") ? withImports(each) : [each]))];
}

/** The manifest of a corpus of `data/` that is built and up to date; undefined for one that must be built. */
export function upToDateManifest(name: string, root: string = projectFolder()): Manifest | undefined {
  try {
    const manifest = readManifest(path.join(corpusFolder(name, root), "build"), "");
    return manifest.inputsHash === inputsHash(name, manifest.tokenizer.name, root) ? manifest : undefined;
  } catch (error) {
    if (error instanceof CorpusError) return undefined;
    throw error;
  }
}

/** The packages that a definition names, each once. */
export function packagesOf(definition: CorpusDefinition): PinnedPackage[] {
  return [...new Map(definition.sources.map((source) => [packageId(source), source])).values()];
}

/** The documents of a corpus before they are tokenized. */
export interface PreparedTexts extends CorpusTexts {
  readonly read: (document: TextDocument) => string;
  /** Holds the texts, see `openSpool`. */
  spoolFile: string;
  /** Is removed with what was put there, unless this process is killed. */
  scratch: string;
}

/**
 * Fetches the packages of a corpus, cuts its documents and hands them to `work`; what `buildCorpus` and the tokenizer's
 * training start from. The texts lie in files that are removed when `work` is done or fails; after a kill, a call with the
 * same `inputsHash` goes on with them.
 */
export async function withTexts<Result>(
  definition: CorpusDefinition,
  options: BuildOptions,
  work: (texts: PreparedTexts) => Promise<Result>,
): Promise<Result> {
  const { cache = packageCache(), inputsHash: key } = options;
  await fetchAll(definition, cache, options);
  const scratch =
    key === undefined
      ? openScratch(cache, "texts")
      : resumeScratch(cache, `work-${definition.name}`, key.slice(0, RESUME_KEY_DIGITS));
  let spool: TextSpool | undefined;
  try {
    const spoolFile = path.join(scratch, "texts");
    const texts = await cutTexts(definition, cache, scratch, spoolFile, options);
    spool = openSpool(spoolFile, "read");
    return await work({ ...texts, read: spool.read, spoolFile, scratch });
  } catch (error) {
    throw systemCode(error) === "ENOSPC" ? asWriteError(definition.name, error) : error;
  } finally {
    spool?.close();
    closeScratch(scratch);
  }
}

const RESUME_KEY_DIGITS = 16;

async function fetchAll(definition: CorpusDefinition, cache: string, { run, onProgress }: BuildOptions): Promise<void> {
  const packages = packagesOf(definition);
  let fetched = 0;
  await fetchPackages(packages, cache, {
    run,
    onPackage: (detail) => onProgress?.({ stage: "fetch", done: ++fetched, total: packages.length, detail }),
  });
}

async function cutTexts(
  definition: CorpusDefinition,
  cache: string,
  scratch: string,
  spoolFile: string,
  { onProgress }: BuildOptions,
): Promise<CorpusTexts> {
  const textsFile = path.join(scratch, "texts.json");
  const before = readTexts(textsFile);
  if (before !== undefined) return before;
  const total = definition.sources.length;
  const spool = openSpool(spoolFile);
  let texts: CorpusTexts;
  try {
    texts = await corpusTexts(definition, cache, spool, (done, detail) =>
      onProgress?.({ stage: "cut", done, total, detail }),
    );
  } finally {
    spool.close();
  }
  writeTexts(textsFile, texts);
  return texts;
}

/**
 * Builds a corpus and writes it to its folder.
 *
 * @throws CorpusError when a package cannot be had or read, the tokenizer is missing, or a file cannot be written
 */
export async function buildCorpus(definition: CorpusDefinition, options: BuildOptions = {}): Promise<Manifest> {
  const { folder = path.join(corpusFolder(definition.name), "build"), cache = packageCache(), onProgress } = options;
  const tokenizer = await loadTokenizer(definition.tokenizer);
  return withTexts(definition, options, async (texts) => {
    const { splits, steps, spoolFile, scratch } = texts;
    const documents = SPLITS.flatMap((split) => splits[split]);
    let encoded = 0;
    const ids = await encodeSpool(documents, {
      tokenizer: tokenizer.name,
      spoolFile,
      isNarrow: npyDtypeFor(tokenizer.vocabSize) === "uint16",
      folder: scratch,
      onEncoded: (count) => {
        encoded += count;
        onProgress?.({ stage: "encode", done: encoded, total: documents.length, detail: definition.name });
      },
    });
    // The corpus is written in the order of the splits, which is that of the ids.
    const inTurn = ids[Symbol.iterator]();
    onProgress?.({ stage: "write", done: 0, total: 1, detail: definition.name });
    const { name, vocabSize, endOfDocument, sha256: tokenizerSha256 } = tokenizer;
    const manifest = writeCorpus(
      folder,
      {
        name: definition.name,
        description: definition.description,
        tokenizer: { name, sha256: tokenizerSha256, vocabSize, endOfDocument },
        domains: definition.domains.map((domain, index) => ({
          name: domain.name,
          description: domain.description,
          steps: steps[index],
        })),
        sources: definition.sources.map((source) => ({
          ecosystem: source.ecosystem,
          package: source.package,
          version: source.version,
          licence: source.licence,
          domain: source.domain,
          downloadBytes: statSync(archivePath(source, cache)).size,
        })),
        documents: {
          train: withTokens(splits.train, inTurn),
          ...(splits.validation.length > 0 ? { validation: withTokens(splits.validation, inTurn) } : {}),
          heldOut: withTokens(splits.heldOut, inTurn),
        },
      },
      { inputsHash: options.inputsHash, writeFile: options.writeFile },
    );
    onProgress?.({ stage: "write", done: 1, total: 1, detail: definition.name });
    return manifest;
  });
}

/** Documents with the ids that come next. */
function* withTokens(
  documents: readonly TextDocument[],
  ids: Iterator<Uint16Array | Uint32Array>,
): Generator<TokenDocument> {
  for (const { domain, source, file, bytes } of documents) {
    const next = ids.next();
    if (next.done === true) throw new CorpusError("fewer documents were tokenized than were cut");
    yield { domain, source, file, bytes, tokens: next.value };
  }
}
