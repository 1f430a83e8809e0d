import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { CorpusError, messageOf, systemCode } from "./corpus-error";
import { sha256 } from "./manifest";
import { projectFolder } from "./project-folder";

/** Text to token ids and back, by Hugging Face's `tokenizers` (the library that Python uses too). */
export interface Tokenizer {
  readonly name: string;
  /** One more than the greatest id. */
  readonly vocabSize: number;
  /** Id of the token that follows every document. */
  readonly endOfDocument: number;
  /** Of `tokenizer.json`. */
  readonly sha256: string;
  /** Ids of a text. Nothing in a text is taken for a special token, and none is added. */
  encode(text: string): Promise<number[]>;
  /** Ids of many texts, encoded in parallel. */
  encodeBatch(texts: readonly string[]): Promise<number[][]>;
  /** The text of ids; special tokens are left out, bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
}

interface KnownTokenizer {
  /** Folder of `tokenizer.json`, relative to the checkout. */
  folder: string;
  /** The command that makes it. */
  command: string;
}

/** Tokenizers that are known by name. */
export const TOKENIZERS: Readonly<Record<string, KnownTokenizer>> = {
  "lory-8k": { folder: "data/tokenizers/lory-8k", command: "npm run data -- train-tokenizer quickstart" },
  "llama-32k": { folder: ".cache/tokenizers/llama-32k", command: "npm run data -- convert-tokenizer llama-32k" },
};

export const TOKENIZER_FILE = "tokenizer.json";

/** What tokenizers call the token after a document; the first of these that a vocabulary has is taken. */
const END_OF_DOCUMENT = ["<|endoftext|>", "<|end_of_text|>", "</s>"];

/** The parts of a `tokenizer.json` that are read here. */
interface TokenizerJson {
  added_tokens: { id: number; content: string; special: boolean }[];
  post_processor: unknown;
  model: { vocab: Record<string, number> };
}

/** Where the `tokenizer.json` of a known tokenizer, or of a path, lies. */
export function tokenizerFile(nameOrPath: string): string {
  if (Object.hasOwn(TOKENIZERS, nameOrPath)) {
    return path.join(projectFolder(), TOKENIZERS[nameOrPath].folder, TOKENIZER_FILE);
  }
  return path.resolve(nameOrPath.endsWith(".json") ? nameOrPath : path.join(nameOrPath, TOKENIZER_FILE));
}

/** SHA-256 of a tokenizer's `tokenizer.json`; undefined when there is no such file. */
export function tokenizerHash(nameOrPath: string): string | undefined {
  try {
    return sha256(readFileSync(tokenizerFile(nameOrPath)));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Loads a tokenizer.
 *
 * @param nameOrPath a name in `TOKENIZERS`, a `tokenizer.json`, or the folder of one
 * @throws CorpusError for an unknown name, a file that is missing or no `tokenizer.json`, and a vocabulary without a
 *   token that ends a document
 */
export async function loadTokenizer(nameOrPath: string): Promise<Tokenizer> {
  const file = tokenizerFile(nameOrPath);
  let content: Buffer;
  try {
    content = await readFile(file);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw new CorpusError(`cannot read ${file}: ${messageOf(error)}`);
    const known = Object.keys(TOKENIZERS).join(", ");
    throw new CorpusError(
      Object.hasOwn(TOKENIZERS, nameOrPath)
        ? `tokenizer ${nameOrPath} is not there yet: run ${TOKENIZERS[nameOrPath].command}`
        : `there is no tokenizer ${JSON.stringify(nameOrPath)} (${file}); known are ${known}`,
    );
  }
  try {
    return fromJson(nameOrPath, JSON.parse(content.toString("utf8")) as TokenizerJson, sha256(content));
  } catch (error) {
    throw new CorpusError(`${file} is not a usable tokenizer.json: ${messageOf(error)}`);
  }
}

function fromJson(name: string, json: TokenizerJson, hash: string): Tokenizer {
  const special = json.added_tokens.filter((token) => token.special);
  const ids = { ...json.model.vocab, ...Object.fromEntries(json.added_tokens.map(({ content, id }) => [content, id])) };
  const endName = END_OF_DOCUMENT.find((content) => Object.hasOwn(ids, content));
  if (endName === undefined) throw new Error(`it has none of the tokens ${END_OF_DOCUMENT.join(", ")}`);
  const endOfDocument = ids[endName];
  const hidden = new Set([endOfDocument, ...special.map(({ id }) => id)]);

  // Without its special tokens the tokenizer cannot find them in a text: what someone wrote never ends a document.
  const plain = { ...json, added_tokens: json.added_tokens.filter((token) => !token.special), post_processor: null };
  const native = NativeTokenizer.fromString(JSON.stringify(plain));
  const decoder = native.getDecoder();
  if (decoder === null) throw new Error("it has no decoder");
  return {
    name,
    vocabSize: Object.values(ids).reduce((greatest, id) => Math.max(greatest, id), -1) + 1,
    endOfDocument,
    sha256: hash,
    encode: async (text) => (await native.encode(text, null, { addSpecialTokens: false })).getIds(),
    encodeBatch: async (texts) => {
      const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
      return encodings.map((encoding) => encoding.getIds());
    },
    decode: (tokens) => {
      const pieces = Array.from(tokens, (id) => (hidden.has(id) ? null : native.idToToken(id)));
      return decoder.decode(pieces.filter((piece) => piece !== null));
    },
  };
}
