/** From packages to documents: read, clean, cut, drop copies, cap the large domains, split. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { CorpusError, messageOf } from "../corpus-error";
import { type SplitName, SPLITS, type StepCounts } from "../manifest";
import { isGzip, readArchive } from "./archive";
import { isEnglishScript } from "./clean";
import { cutFile } from "./cut";
import type { PieceLengths } from "./cut/split";
import type { CorpusDefinition, CorpusSource } from "./definition";
import { packageId } from "./definition";
import { exactDuplicates, mostlyRepeated } from "./duplicates";
import { nearDuplicates } from "./near-duplicates";
import { archivePath } from "./packages";
import { drawFiles, splitFiles, sumBytes } from "./split-files";
import type { SpooledText, TextSpool } from "./spool";

/** Characters of a document, see `splitText`. */
const DOCUMENT_LENGTHS: PieceLengths = { target: 4000, max: 8000 };
/** UTF-8 bytes: what is shorter is dropped. */
const SHORTEST_DOCUMENT = 200;
/** Of the functions that look for near duplicates once more, across the splits: they miss other pairs than the first. */
const CROSS_CHECK_SEED = 1;

/** A document whose text lies in a spool. */
export interface TextDocument extends SpooledText {
  /** Index in the definition's domains. */
  domain: number;
  /** Index in the definition's sources. */
  source: number;
  /** The file that it was cut from; documents of one file stay together. */
  file: string;
}

/** A document as it was cut. */
interface CutDocument extends Omit<TextDocument, "at"> {
  text: string;
}

export interface CorpusTexts {
  splits: Record<SplitName, TextDocument[]>;
  /** Of each domain, what was left after each step. */
  steps: StepCounts[][];
}

/**
 * Cuts all documents of a corpus from the packages in the cache and puts their texts into a spool. The result is
 * determined by the definition alone. A domain at a time is in memory.
 *
 * @throws CorpusError for a package that cannot be read, one without any matching file, and a domain without documents
 */
export async function corpusTexts(
  definition: CorpusDefinition,
  cache: string,
  spool: TextSpool,
  onSource?: (done: number, name: string) => void,
): Promise<CorpusTexts> {
  const unknown = definition.sources.find(({ domain }) => !definition.domains.some(({ name }) => name === domain));
  if (unknown !== undefined) {
    throw new CorpusError(`${packageId(unknown)} names a domain that is not defined: ${unknown.domain}`);
  }
  const { maxSimilarity } = definition;
  const steps: StepCounts[][] = definition.domains.map(() => []);
  const splits: CorpusTexts["splits"] = { train: [], validation: [], heldOut: [] };
  const isDuplicate = exactDuplicates();
  const isRepeated = mostlyRepeated();
  const spooled: TextDocument[] = [];
  const alike = maxSimilarity === undefined ? undefined : nearDuplicates(maxSimilarity, (n) => spool.read(spooled[n]));
  let sourcesDone = 0;
  for (const [index, domain] of definition.domains.entries()) {
    const { documents, readings } = await cutDomain(definition, index, cache, (name) =>
      onSource?.(sourcesDone++, name),
    );
    for (const [step, counts] of readings) steps[index].push({ step, ...counts });
    let left = documents;
    const keep = (step: string, kept: CutDocument[]) => {
      left = kept;
      steps[index].push({ step, documents: left.length, bytes: sumBytes(left) });
    };
    keep("cut into documents, boilerplate removed", left);
    keep(
      `at least ${SHORTEST_DOCUMENT} bytes`,
      left.filter(({ bytes }) => bytes >= SHORTEST_DOCUMENT),
    );
    keep(
      "other scripts and languages dropped",
      left.filter(({ text }) => isEnglishScript(text)),
    );
    keep(
      "exact duplicates dropped",
      left.filter(({ text }) => !isDuplicate(text)),
    );
    keep(
      "mostly repeated text dropped",
      left.filter(({ text }) => !isRepeated(text)),
    );
    keep(`capped at ${domain.maxBytes / 1e6} MB`, drawFiles(left, "cap", domain.maxBytes).drawn);
    const first = spooled.length;
    for (const { domain: number, source, file, text } of left) {
      if (alike?.find(text) !== undefined) continue;
      alike?.add(text, spooled.length);
      spooled.push({ domain: number, source, file, ...spool.append(text) });
    }
    const kept = spooled.slice(first);
    if (alike !== undefined) {
      steps[index].push({ step: "near duplicates dropped", documents: kept.length, bytes: sumBytes(kept) });
    }
    if (kept.length === 0) throw new CorpusError(`domain ${domain.name} of corpus ${definition.name} has no documents`);
    const parts = splitFiles(kept, definition, domain.name);
    for (const split of SPLITS) for (const document of parts[split]) splits[split].push(document);
  }
  onSource?.(definition.sources.length, "");
  if (maxSimilarity !== undefined) dropAcrossSplits(splits, steps, spool, maxSimilarity);
  return { splits, steps };
}

/**
 * Looks for near duplicates of training documents among those set apart, with functions of another seed than before, and
 * drops what is found there.
 */
export function dropAcrossSplits(
  splits: CorpusTexts["splits"],
  steps: StepCounts[][],
  spool: TextSpool,
  maxSimilarity: number,
): void {
  const trained = nearDuplicates(maxSimilarity, (n) => spool.read(splits.train[n]), CROSS_CHECK_SEED);
  splits.train.forEach((document, n) => trained.add(spool.read(document), n));
  for (const split of ["validation", "heldOut"] as const) {
    splits[split] = splits[split].filter((document) => trained.find(spool.read(document)) === undefined);
  }
  steps.forEach((each, domain) => {
    const left = SPLITS.flatMap((split) => splits[split].filter((document) => document.domain === domain));
    each.push({
      step: "near duplicates of training documents dropped from validation and test",
      documents: left.length,
      bytes: sumBytes(left),
    });
  });
}

/** All documents of a domain, and how many files and bytes each step of reading left. */
async function cutDomain(
  definition: CorpusDefinition,
  domain: number,
  cache: string,
  onSource: (name: string) => void,
) {
  const readings = new Map<string, { documents: number; bytes: number }>();
  const documents: CutDocument[] = [];
  const count = (step: string, files: number, bytes: number) => {
    const sum = readings.get(step) ?? { documents: 0, bytes: 0 };
    readings.set(step, { documents: sum.documents + files, bytes: sum.bytes + bytes });
  };
  for (const [index, source] of definition.sources.entries()) {
    if (source.domain !== definition.domains[domain].name) continue;
    onSource(packageId(source));
    const lengths = definition.documentLengths ?? DOCUMENT_LENGTHS;
    for await (const document of cutSource(source, cache, lengths, count)) {
      documents.push({ ...document, domain, source: index });
    }
  }
  return { documents, readings };
}

const READING_STEPS = ["files taken", "files with text", "files not generated by a program"] as const;

async function* cutSource(
  source: CorpusSource,
  cache: string,
  lengths: PieceLengths,
  count: (step: string, files: number, bytes: number) => void,
): AsyncGenerator<Omit<CutDocument, "domain" | "source">> {
  const archive = archivePath(source, cache);
  const { include, exclude, inside, cut } = source;
  const name = `${packageId(source)} (${path.basename(archive)})`;
  const isWanted = (each: string) => include.test(each) && exclude?.test(each) !== true;
  const files = await readArchive(name, readFileSync(archive), isWanted, inside);
  if (files.length === 0) throw new CorpusError(`${name} has no file that matches ${String(include)}`);
  const [taken, withText, written] = READING_STEPS;
  for (const file of files.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    count(taken, 1, file.content.length);
    let result: ReturnType<typeof cutFile>;
    try {
      const content = isGzip(file.content) ? gunzipSync(file.content) : file.content;
      result = cutFile({ path: file.path, content }, cut, lengths);
    } catch (error) {
      throw new CorpusError(`${name}: ${file.path} is not what cut "${cut}" expects: ${messageOf(error)}`);
    }
    if (result.kind === "no text") continue;
    const readableBytes = Buffer.byteLength(result.readable);
    count(withText, 1, readableBytes);
    if (result.kind === "generated") continue;
    count(written, 1, readableBytes);
    const { documents, isCollection } = result;
    for (const [index, text] of documents.entries()) {
      const part = isCollection ? `#${index}` : "";
      yield { file: `${packageId(source)}/${file.path}${part}`, text, bytes: Buffer.byteLength(text) };
    }
  }
}
