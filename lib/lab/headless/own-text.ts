/** A small corpus of real text that needs no network: this checkout's own sources and manuals. For tests of notebooks. */
import fs from "node:fs";
import path from "node:path";
import { loadTokenizer, writeCorpus, type TokenDocument } from "lory/data";

const REPOSITORY = path.resolve(__dirname, "../../..");
const TOKENIZER = "lory-8k";
/** Every so manyth document of a domain is held out. */
const HELD_OUT_EVERY = 4;

interface OwnDomain {
  readonly name: string;
  readonly folder: string;
  readonly ending: string;
  /** What each document begins with, where a file holds several. */
  readonly cutBefore?: RegExp;
}

const DOMAINS: readonly OwnDomain[] = [
  { name: "manual", folder: ".", ending: ".md", cutBefore: /^(?=## )/m },
  { name: "models", folder: "lib/lory/models", ending: ".ts" },
  { name: "training", folder: "lib/lory/train", ending: ".ts" },
  { name: "kernels", folder: "lib/tfjs-backend-xla/kernels", ending: ".ts" },
];

/** Writes the corpus; its folder's parent must exist. */
export async function writeOwnText(folder: string): Promise<void> {
  const tokenizer = await loadTokenizer(TOKENIZER);
  const ofDomains = await Promise.all(
    DOMAINS.map(async (definition, domain) => {
      const texts = textsOf(definition);
      const ids = await tokenizer.encodeBatch(texts);
      return texts.map((text, i): TokenDocument => {
        return { domain, source: domain, bytes: Buffer.byteLength(text), tokens: ids[i] };
      });
    }),
  );
  const split = (isHeldOut: boolean): TokenDocument[] =>
    ofDomains.flatMap((documents) => documents.filter((_, i) => (i % HELD_OUT_EVERY === 0) === isHeldOut));
  writeCorpus(folder, {
    name: "own-text",
    description: "The checkout's own sources and manuals",
    tokenizer: {
      name: TOKENIZER,
      sha256: tokenizer.sha256,
      vocabSize: tokenizer.vocabSize,
      endOfDocument: tokenizer.endOfDocument,
    },
    domains: DOMAINS.map(({ name, folder: from, ending }) => ({ name, description: `${from}/*${ending}`, steps: [] })),
    sources: DOMAINS.map(({ name }) => ({
      ecosystem: "npm",
      package: name,
      version: "0",
      licence: "Apache-2.0",
      domain: name,
      downloadBytes: 0,
    })),
    documents: { train: split(false), heldOut: split(true) },
  });
}

function textsOf({ folder, ending, cutBefore }: OwnDomain): string[] {
  const inside = path.join(REPOSITORY, folder);
  const names = fs.readdirSync(inside, { recursive: folder !== ".", encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(ending)).sort();
  const texts = files.map((file) => fs.readFileSync(path.join(inside, file), "utf8"));
  return cutBefore === undefined ? texts : texts.flatMap((text) => text.split(cutBefore));
}
