import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectFolder } from "./project-folder";
import { loadTokenizer, type Tokenizer, tokenizerFile, tokenizerHash, TOKENIZERS } from "./tokenizer";

/** Made by Python's tokenizers: `npm run data -- tokenizer-fixtures`. */
interface Fixtures {
  texts: string[];
  ids: Record<string, number[][]>;
}
const fixtures = JSON.parse(
  readFileSync(path.join(projectFolder(), "data", "tokenizers", "fixtures.json"), "utf8"),
) as Fixtures;

const folder = mkdtempSync(path.join(os.tmpdir(), "tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));

let lory: Tokenizer;
beforeAll(async () => {
  lory = await loadTokenizer("lory-8k");
});

describe.each(Object.keys(TOKENIZERS))("%s", (name) => {
  it.runIf(existsSync(tokenizerFile(name)))("gives Python's ids and their text", async () => {
    const tokenizer = await loadTokenizer(name);
    expect(fixtures.ids[name].length).toBe(fixtures.texts.length);
    expect(await tokenizer.encodeBatch(fixtures.texts)).toEqual(fixtures.ids[name]);
    for (const [index, text] of fixtures.texts.entries()) {
      expect(await tokenizer.encode(text)).toEqual(fixtures.ids[name][index]);
      // LLaMA writes a space as U+2581, so that this sign itself is lost.
      const kept = name === "llama-32k" ? text.replaceAll("\u2581", " ") : text;
      expect(tokenizer.decode(fixtures.ids[name][index])).toBe(kept);
    }
  });
});

describe("loadTokenizer", () => {
  it("knows lory-8k: 8192 pieces, ids of 16 bits", () => {
    expect(lory).toMatchObject({ name: "lory-8k", vocabSize: 8192, endOfDocument: 0 });
    expect(lory.sha256).toBe(tokenizerHash("lory-8k"));
  });

  it("decodes what it encoded, whatever the text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
        const ids = await lory.encode(text);
        expect(ids.every((id) => id > 0 && id < lory.vocabSize)).toBe(true);
        expect(lory.decode(ids)).toBe(text);
        expect(lory.decode(Int32Array.from(ids))).toBe(text);
      }),
    );
  });

  it("never takes what someone wrote for a special token, and leaves special tokens out of texts", async () => {
    const text = "an <|endoftext|> in a <s>text</s>";
    const ids = await lory.encode(text);
    expect(ids).not.toContain(lory.endOfDocument);
    expect(lory.decode([lory.endOfDocument, ...ids, lory.endOfDocument])).toBe(text);
  });

  it("decodes a cut character as U+FFFD, and nothing as nothing", async () => {
    const ids = await lory.encode("\u{1F999}");
    expect(ids.length).toBeGreaterThan(1);
    expect(lory.decode(ids.slice(0, -1))).toMatch(/^\ufffd+$/);
    expect(lory.decode([])).toBe("");
  });

  it("opens a tokenizer by its file or folder", async () => {
    const file = tokenizerFile("lory-8k");
    for (const where of [file, path.dirname(file)]) {
      expect(await (await loadTokenizer(where)).encode("segment")).toEqual(await lory.encode("segment"));
    }
  });

  it("refuses unknown names, missing and unusable files, and vocabularies without an end", async () => {
    await expect(loadTokenizer("gpt-9")).rejects.toThrow('there is no tokenizer "gpt-9"');
    await expect(loadTokenizer("gpt-9")).rejects.toThrow("known are lory-8k, llama-32k");
    const file = path.join(folder, "tokenizer.json");
    writeFileSync(file, "{}");
    await expect(loadTokenizer(folder)).rejects.toThrow(`${file} is not a usable tokenizer.json`);
    const json = JSON.parse(readFileSync(tokenizerFile("lory-8k"), "utf8")) as {
      added_tokens: unknown[];
      model: { vocab: Record<string, number> };
    };
    json.added_tokens = [];
    delete json.model.vocab["<|endoftext|>"];
    writeFileSync(file, JSON.stringify(json));
    await expect(loadTokenizer(folder)).rejects.toThrow("it has none of the tokens <|endoftext|>");
  });
});
