/** A corpus from a user's own files. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { cleanText } from "../builder/clean";
import { PROSE_LEVELS, splitText } from "../builder/cut/split";
import { exactDuplicates } from "../builder/duplicates";
import { nearDuplicates } from "../builder/near-duplicates";
import type { TextSpool } from "../builder/spool";
import { type CorpusTexts, dropAcrossSplits, type TextDocument } from "../builder/texts";
import { tokenizeCorpus, withSpool } from "../builder/text-work";
import type { WriteOptions } from "../builder/write";
import { CorpusError, messageOf } from "../corpus-error";
import { FORMAT_VERSION, type Manifest, sha256, type SplitName, type StepCounts } from "../manifest";
import { loadTokenizer } from "../tokenizer";
import { readRecords, stemOf } from "./records";

export interface ImportOptions {
  name: string;
  /** JSON lines (plain, .gz, .zst) or Parquet, each with `text`, and `domain` and `id` where there are any. */
  files: readonly string[];
  /** Will hold the manifest. */
  folder: string;
  tokenizer?: string;
  licence?: string;
  /** Share of the documents that is kept for the test. */
  heldOutFraction?: number;
  validationFraction?: number;
  /** See `CorpusDefinition.maxSimilarity`; null keeps near duplicates. */
  maxSimilarity?: number | null;
  /** Share of a file's lines or rows that may be malformed. */
  maxMalformed?: number;
  onProgress?: (stage: "read" | "encode", done: number, detail: string) => void;
  writeFile?: WriteOptions["writeFile"];
}

/** A corpus, and the lines that were not taken into it. */
export interface ImportedCorpus {
  manifest: Manifest;
  malformed: MalformedLines[];
}

export interface MalformedLines {
  file: string;
  lines: number;
  count: number;
  /** The first of them, "file:line: why". */
  examples: string[];
}

interface ImportedTexts extends CorpusTexts {
  domains: string[];
  malformed: MalformedLines[];
}

type Settings = ImportOptions & Required<Pick<ImportOptions, keyof typeof DEFAULTS>>;

const DEFAULTS = {
  tokenizer: "llama-32k",
  licence: "the user's own files",
  heldOutFraction: 0.05,
  validationFraction: 0.025,
  maxSimilarity: 0.7,
  maxMalformed: 0.01,
} satisfies Partial<ImportOptions>;
/** Longer documents are cut into parts, since a tokenizer's time grows faster than a text: characters. */
const PART_LENGTHS = { target: 1_000_000, max: 1_000_000 };
const EXAMPLES = 5;
const STEPS = ["lines", "well-formed", "not empty", "exact duplicates dropped", "near duplicates dropped"] as const;
type Step = (typeof STEPS)[number];

/**
 * Reads documents, cleans them of odd white space, drops copies and near copies, splits by document, tokenizes and writes
 * a corpus. Texts go through the disk: memory holds an index only, about 300 bytes a document. A call that follows a
 * killed one with the same files and options goes on where it was.
 *
 * @throws CorpusError for a file that cannot be read to its end, too many malformed lines, nothing to train on, a missing
 *   tokenizer, a full disk; RangeError for a share that is none. Nothing half-written stays.
 */
export async function importCorpus(options: ImportOptions): Promise<ImportedCorpus> {
  const settings: Settings = { ...DEFAULTS, ...options };
  const { name, files, folder, onProgress } = settings;
  if (files.length === 0) throw new CorpusError("no files were named to import");
  for (const key of ["heldOutFraction", "validationFraction", "maxMalformed"] as const) {
    const value = settings[key];
    if (!(value >= 0 && value <= 1)) throw new RangeError(`${key} is ${value}, expected a share from 0 to 1`);
  }
  const tokenizer = await loadTokenizer(settings.tokenizer);
  const hashes: string[] = [];
  for (const file of files) hashes.push(await fileHash(file));
  const { heldOutFraction, validationFraction, maxSimilarity, maxMalformed } = settings;
  const shares = [heldOutFraction, validationFraction, maxSimilarity, maxMalformed];
  const inputsHash = sha256(JSON.stringify([FORMAT_VERSION, tokenizer.sha256, hashes, files.map(stemOf), shares]));
  mkdirSync(path.dirname(folder), { recursive: true });
  return withSpool(
    { name, parent: path.dirname(folder), key: inputsHash },
    (spool) => readAll(settings, spool),
    async (prepared) => {
      const { domains, steps, malformed } = prepared.texts;
      const content = {
        name,
        description: `imported from ${files.map((file) => path.basename(file)).join(", ")}`,
        domains: domains.map((domain, index) => ({ name: domain, description: "", steps: steps[index] })),
        sources: files.map((file, index) => ({
          ecosystem: "file",
          package: path.basename(file),
          version: hashes[index].slice(0, 16),
          licence: settings.licence,
          domain: stemOf(file),
          downloadBytes: statSync(file).size,
        })),
      };
      const onEncoded = (done: number, total: number) => onProgress?.("encode", done, `of ${total} documents`);
      const { writeFile } = settings;
      const manifest = await tokenizeCorpus(folder, prepared, tokenizer, content, { inputsHash, writeFile, onEncoded });
      return { manifest, malformed };
    },
  );
}

async function fileHash(file: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    throw new CorpusError(`cannot read ${file}: ${messageOf(error)}`);
  }
  return hash.digest("hex");
}

async function readAll(options: Settings, spool: TextSpool): Promise<ImportedTexts> {
  const { files, maxSimilarity, maxMalformed, onProgress } = options;
  const domains: string[] = [];
  const counts: Record<Step, { documents: number; bytes: number }>[] = [];
  const splits: CorpusTexts["splits"] = { train: [], validation: [], heldOut: [] };
  const spooled: TextDocument[] = [];
  const malformed: MalformedLines[] = [];
  const isDuplicate = exactDuplicates();
  const alike = maxSimilarity === null ? undefined : nearDuplicates(maxSimilarity, (n) => spool.read(spooled[n]));
  const domainOf = (domain: string) => {
    const known = domains.indexOf(domain);
    if (known >= 0) return known;
    counts.push(Object.fromEntries(STEPS.map((step) => [step, { documents: 0, bytes: 0 }])) as (typeof counts)[number]);
    return domains.push(domain) - 1;
  };
  for (const [source, file] of files.entries()) {
    const bad: MalformedLines = { file, lines: 0, count: 0, examples: [] };
    malformed.push(bad);
    for await (const read of readRecords(file)) {
      bad.lines++;
      if ("malformed" in read) {
        bad.count++;
        if (bad.examples.length < EXAMPLES) bad.examples.push(`${file}:${read.line}: ${read.malformed}`);
        count(counts[domainOf(stemOf(file))], "lines", 0);
        continue;
      }
      const { text, domain: named = stemOf(file), id = String(read.line) } = read.record;
      const domain = domainOf(named);
      const bytes = Buffer.byteLength(text);
      const passes = (step: Step) => count(counts[domain], step, bytes);
      passes("lines");
      passes("well-formed");
      const clean = cleanText(text).trim();
      if (clean === "") continue;
      passes("not empty");
      if (isDuplicate(clean)) continue;
      passes("exact duplicates dropped");
      if (alike?.find(clean) !== undefined) continue;
      passes("near duplicates dropped");
      const name = `${stemOf(file)}#${id}`;
      const split = splits[splitOf(`${name}\n${read.line}`, options)];
      for (const part of splitText(clean, PROSE_LEVELS, PART_LENGTHS)) {
        const document = { domain, source, file: name, ...spool.append(part) };
        alike?.add(part, spooled.length);
        spooled.push(document);
        split.push(document);
      }
      onProgress?.("read", bad.lines, path.basename(file));
    }
    if (bad.count > maxMalformed * bad.lines) {
      throw new CorpusError(
        `${bad.count} of ${bad.lines} lines of ${file} are malformed, more than the share of ${maxMalformed} that is ` +
          `allowed:\n${bad.examples.join("\n")}`,
      );
    }
  }
  const steps = counts.map((each): StepCounts[] => STEPS.map((step) => ({ step, ...each[step] })));
  if (maxSimilarity !== null) dropAcrossSplits(splits, steps, spool, maxSimilarity);
  return { domains, steps, splits, malformed };
}

function count(counts: Record<Step, { documents: number; bytes: number }>, step: Step, bytes: number): void {
  counts[step].documents++;
  counts[step].bytes += bytes;
}

/** Drawn by a hash of the document's name, so that files may grow without moving the documents that they had. */
function splitOf(name: string, shares: Pick<Settings, "heldOutFraction" | "validationFraction">): SplitName {
  const drawn = Number.parseInt(sha256(`split\n${name}`).slice(0, 12), 16) / 2 ** 48;
  if (drawn < shares.heldOutFraction) return "heldOut";
  return drawn < shares.heldOutFraction + shares.validationFraction ? "validation" : "train";
}
