/** The work on texts between cutting and writing: they lie in files that a killed build's successor goes on with. */
import path from "node:path";
import { CorpusError, systemCode } from "../corpus-error";
import { type Manifest, SPLITS } from "../manifest";
import { npyDtypeFor } from "../npy";
import type { Tokenizer } from "../tokenizer";
import { encodeSpool } from "./encode";
import { closeScratch, openScratch, resumeScratch } from "./scratch";
import { openSpool, type TextSpool } from "./spool";
import type { CorpusTexts, TextDocument } from "./texts";
import { readTexts, writeTexts } from "./texts-file";
import { asWriteError, type CorpusContent, type TokenDocument, writeCorpus, type WriteOptions } from "./write";

/** The documents of a corpus before they are tokenized. */
export interface PreparedTexts<Texts extends CorpusTexts = CorpusTexts> {
  texts: Texts;
  readonly read: (document: TextDocument) => string;
  /** Holds the texts, see `openSpool`. */
  spoolFile: string;
  /** Is removed with what was put there, unless this process is killed. */
  scratch: string;
}

/** Where texts are worked on. */
export interface TextWork {
  name: string;
  /** Scratch folders are made below it. */
  parent: string;
  /** Of everything that determines the texts: after a kill, work with an equal one is gone on with. Hexadecimal. */
  key?: string;
}

const KEY_DIGITS = 16;

/** Lets `cut` fill a spool, or takes what it filled before a kill, and hands the texts to `work`. */
export async function withSpool<Texts extends CorpusTexts, Result>(
  { name, parent, key }: TextWork,
  cut: (spool: TextSpool) => Promise<Texts>,
  work: (texts: PreparedTexts<Texts>) => Promise<Result>,
): Promise<Result> {
  let scratch: string | undefined;
  let spool: TextSpool | undefined;
  try {
    scratch =
      key === undefined
        ? openScratch(parent, "texts")
        : resumeScratch(parent, `work-${name}`, key.slice(0, KEY_DIGITS));
    const spoolFile = path.join(scratch, "texts");
    const texts = await cutOnce(scratch, spoolFile, cut);
    spool = openSpool(spoolFile, "read");
    return await work({ texts, read: spool.read, spoolFile, scratch });
  } catch (error) {
    throw systemCode(error) === "ENOSPC" ? asWriteError(name, error) : error;
  } finally {
    spool?.close();
    if (scratch !== undefined) closeScratch(scratch);
  }
}

async function cutOnce<Texts extends CorpusTexts>(
  scratch: string,
  spoolFile: string,
  cut: (spool: TextSpool) => Promise<Texts>,
): Promise<Texts> {
  const textsFile = path.join(scratch, "texts.json");
  const before = readTexts<Texts>(textsFile);
  if (before !== undefined) return before;
  const spool = openSpool(spoolFile);
  let texts: Texts;
  try {
    texts = await cut(spool);
  } finally {
    spool.close();
  }
  writeTexts(textsFile, texts);
  return texts;
}

export interface TokenizeOptions extends WriteOptions {
  onEncoded?: (documents: number, total: number) => void;
}

/** Tokenizes prepared texts and writes the corpus. */
export async function tokenizeCorpus(
  folder: string,
  { texts: { splits }, spoolFile, scratch }: PreparedTexts,
  tokenizer: Tokenizer,
  content: Omit<CorpusContent, "documents" | "tokenizer">,
  { onEncoded, ...writeOptions }: TokenizeOptions,
): Promise<Manifest> {
  const documents = SPLITS.flatMap((split) => splits[split]);
  let encoded = 0;
  const ids = await encodeSpool(documents, {
    tokenizer: tokenizer.name,
    spoolFile,
    isNarrow: npyDtypeFor(tokenizer.vocabSize) === "uint16",
    folder: scratch,
    onEncoded: (count) => onEncoded?.((encoded += count), documents.length),
  });
  // The corpus is written in the order of the splits, which is that of the ids.
  const inTurn = ids[Symbol.iterator]();
  const { name, vocabSize, endOfDocument, sha256 } = tokenizer;
  return writeCorpus(
    folder,
    {
      ...content,
      tokenizer: { name, sha256, vocabSize, endOfDocument },
      documents: {
        train: withTokens(splits.train, inTurn),
        ...(splits.validation.length > 0 ? { validation: withTokens(splits.validation, inTurn) } : {}),
        heldOut: withTokens(splits.heldOut, inTurn),
      },
    },
    writeOptions,
  );
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
