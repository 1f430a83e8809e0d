import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadTokenizer } from "../tokenizer";
import { convertLlamaVocabulary } from "./llama-vocabulary";

const folder = mkdtempSync(path.join(os.tmpdir(), "llama-"));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const pieces = ["<unk>", "<s>", "</s>", ...bytes, "\u2581", "a", "b", "ab", "\u2581ab"];
const id = (piece: string) => pieces.indexOf(piece);

/** The source of a llama-tokenizer.js with a vocabulary of our own. */
function source(words: string[], merges: [string, string][]): string {
  const pairs = Buffer.alloc(merges.length * 4);
  merges.flat().forEach((piece, index) => pairs.writeUInt16LE(id(piece), index * 2));
  const vocabulary = Buffer.from(words.join("\n"), "utf8").toString("base64");
  return `const llama_vocab_base64 = "${vocabulary}";\n\nconst llama_merges_binary = "${pairs.toString("base64")}";\n`;
}

describe("convertLlamaVocabulary", () => {
  it("makes a tokenizer that merges by priority, prefixes a space and falls back to bytes", async () => {
    const merges: [string, string][] = [
      ["a", "b"],
      ["\u2581", "ab"],
    ];
    writeFileSync(path.join(folder, "tokenizer.json"), convertLlamaVocabulary(source(pieces, merges)));
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer).toMatchObject({ vocabSize: pieces.length, endOfDocument: 2 });
    const ids = await tokenizer.encode("ab aab\n");
    expect(ids).toEqual(["\u2581ab", "\u2581", "a", "ab", "<0x0A>"].map(id));
    expect(tokenizer.decode(ids)).toBe("ab aab\n");
    expect(tokenizer.decode([1, ...(await tokenizer.encode("\u00e9</s>")), 2])).toBe("\u00e9</s>");
  });

  it("refuses another file and strings that do not fit", () => {
    expect(() => convertLlamaVocabulary("export default {}")).toThrow("no constant llama_vocab_base64");
    expect(() => convertLlamaVocabulary(source(["a", "b"], [["a", "b"]]))).toThrow(
      "does not start with <unk>, <s> and </s>",
    );
    expect(() => convertLlamaVocabulary(source(pieces, [["b", "a"]]))).toThrow(
      "merge 0 of llama-tokenizer-js makes no piece",
    );
  });
});
