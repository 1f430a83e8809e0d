import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openCorpus } from "../corpus";
import { documentTexts } from "../document-texts";
import { importCorpus, type ImportOptions } from "./import-corpus";
import { readRecords } from "./records";

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), "import-"));
  folder = path.join(parent, "corpus", "build");
  onTestFinished(() => rmSync(parent, { recursive: true }));
});

const put = (name: string, content: string | Buffer) => {
  const file = path.join(parent, name);
  writeFileSync(file, content);
  return file;
};
const lines = (...values: unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const import_ = (files: string[], options: Partial<ImportOptions> = {}) =>
  importCorpus({ name: "own", files, folder, tokenizer: "lory-8k", writeFile: writeFileSync, ...options });
const read = async (file: string) => {
  const all = [];
  for await (const each of readRecords(file)) all.push("record" in each ? each.record : each);
  return all;
};
const words = (n: number) => Array.from({ length: 40 }, (_, at) => `word${n}x${at}`).join(" ");

const records = [{ text: "One \u{1F999}\nline", domain: "prose", id: "a" }, { text: "Two", id: 7 }, { text: "" }];
const expected = [{ text: "One \u{1F999}\nline", domain: "prose", id: "a" }, { text: "Two", id: "7" }, { text: "" }];
/** A zstd frame of one raw block: magic, a header of one byte with the size in the next, the block's header, its bytes. */
const zstd = (bytes: Buffer) => {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.length]);
  const block = Buffer.alloc(3);
  block.writeUIntLE((bytes.length << 3) | 1, 0, 3);
  return Buffer.concat([header, block, bytes]);
};

describe("readRecords", () => {
  it("reads JSON lines, plain and compressed, and Parquet alike", async () => {
    const text = lines(...records);
    expect(await read(put("a.jsonl", text))).toEqual(expected);
    expect(await read(put("a.jsonl.gz", Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])))).toEqual(
      expected,
    );
    expect(await read(put("a.jsonl.zst", zstd(Buffer.from(text.trimEnd()))))).toEqual(expected);
    const { parquetWriteBuffer } = await import("hyparquet-writer");
    const columns = [
      { name: "text", data: Array.from({ length: 600 }, (_, n) => `row ${n}`), type: "STRING" as const },
      { name: "id", data: Array.from({ length: 600 }, (_, n) => n), type: "INT32" as const },
    ];
    const rows = await read(
      put("a.parquet", Buffer.from(parquetWriteBuffer({ columnData: columns, rowGroupSize: 250 }))),
    );
    expect(rows.length).toBe(600);
    expect(rows[511]).toEqual({ text: "row 511", id: "511" });
    const other = parquetWriteBuffer({ columnData: [{ name: "body", data: ["x"], type: "STRING" }] });
    await expect(read(put("b.parquet", Buffer.from(other)))).rejects.toThrow("it has no column text, but body");
  });

  it("reads a document of 100 MB, and one after it", async () => {
    const large = "0123456789 abcdef ghijk\\n".repeat(4_000_000);
    const file = put("large.jsonl.gz", gzipSync(`{"text": "${large}"}\n{"text": "small"}\n`, { level: 1 }));
    const lengths: number[] = [];
    for await (const each of readRecords(file)) if ("record" in each) lengths.push(each.record.text.length);
    expect(lengths).toEqual([96_000_000, 5]);
  });

  it("names lines that are malformed and goes on behind them", async () => {
    const odd = Buffer.concat([
      Buffer.from('{"text": "good"}\n{"text": \n[1]\n{"body": "b"}\n{"text": "t", "domain": 5}\n'),
      Buffer.from([0x7b, 0xff, 0xfe, 0x0a]),
      Buffer.from('{"text": "last"}'),
    ]);
    const found = await read(put("odd.jsonl", odd));
    expect(found.map((each) => ("malformed" in each ? `${each.line}: ${each.malformed}` : each.text))).toEqual([
      "good",
      expect.stringContaining("2: ") as string,
      "3: it is not an object",
      "4: it has no string `text`",
      "5: its `domain` is not a string",
      expect.stringMatching(/^6: .*not valid/) as string,
      "last",
    ]);
  });

  it("refuses cut files, other kinds of files and missing ones", async () => {
    const packed = gzipSync(lines(...records));
    const cut = put("cut.jsonl.gz", packed.subarray(0, packed.length - 12));
    await expect(read(cut)).rejects.toThrow(`${cut} cannot be read to its end: unexpected end of file`);
    await expect(read(put("cut.jsonl.zst", zstd(Buffer.from("{}")).subarray(0, 10)))).rejects.toThrow(
      "cannot be read to its end",
    );
    await expect(read(put("a.csv", ""))).rejects.toThrow("is none of the kinds that can be read: .jsonl, .jsonl.gz");
    await expect(read(path.join(parent, "none.jsonl"))).rejects.toThrow("ENOENT");
  });
});

describe("importCorpus", () => {
  it("makes a corpus by domain, without copies, of exactly the texts", async () => {
    const many = Array.from({ length: 60 }, (_, n) => ({
      text: words(n),
      domain: n % 2 === 0 ? "even" : "odd",
      id: `d${n}`,
    }));
    const near = { text: `${words(3)} more`, domain: "odd" };
    const first = put("first.jsonl", lines(...many, { text: " \n " }, many[0], near));
    const second = put("second.jsonl.gz", gzipSync(lines({ text: words(1000) }, { text: words(1001) }) + "{oops\n"));
    const shares = { heldOutFraction: 0.2, validationFraction: 0.1, maxMalformed: 0.5 };
    const { manifest, malformed } = await import_([first, second], shares);
    expect(manifest.domains.map(({ name }) => name)).toEqual(["even", "odd", "first", "second"]);
    const left = (domain: number) => manifest.domains[domain].steps.map(({ documents }) => documents);
    expect(left(0).slice(0, 5)).toEqual([31, 31, 31, 30, 30]);
    expect(left(1).slice(0, 5)).toEqual([31, 31, 31, 31, 30]);
    expect(left(2).slice(0, 5)).toEqual([1, 1, 0, 0, 0]);
    expect(left(3).slice(0, 5)).toEqual([3, 2, 2, 2, 2]);
    expect(malformed[1]).toMatchObject({ lines: 3, count: 1 });
    expect(malformed[1].examples[0]).toContain(`${second}:3: `);

    const corpus = await openCorpus(folder);
    const textOf = await documentTexts(corpus);
    const stores = [corpus.train, corpus.validation, corpus.heldOut];
    const texts = stores.flatMap((store) => Array.from(store.lengths, (_, document) => textOf(store, document)));
    expect(texts.sort()).toEqual([...many.map(({ text }) => text), words(1000), words(1001)].sort());
    expect(corpus.fileNames()).toContain("first#d7");
    expect(stores.every(({ documents }) => documents > 0)).toBe(true);
    corpus.close();
    expect(readdirSync(path.dirname(folder))).toEqual(["build"]);
  });

  it("cuts documents that are too long for a tokenizer into parts that stay on one side", async () => {
    const long = Array.from({ length: 70_000 }, (_, n) => `${(n * 7919) % 100_003} sentence ${n}.`).join(" ");
    const file = put("long.jsonl", lines({ text: long, id: "long" }, { text: words(1), id: "short" }));
    await import_([file], { heldOutFraction: 0, validationFraction: 0 });
    const corpus = await openCorpus(folder);
    const textOf = await documentTexts(corpus);
    expect(Array.from(corpus.train.files, (n) => corpus.fileNames()[n])).toEqual([
      "long#long",
      "long#long",
      "long#short",
    ]);
    expect(textOf(corpus.train, 0) + textOf(corpus.train, 1)).toBe(long);
    corpus.close();
  });

  it("refuses too many malformed lines, nothing to train on and bad shares, and leaves nothing", async () => {
    const odd = put("odd.jsonl", `${lines({ text: "good" })}{bad\n`);
    await expect(import_([odd])).rejects.toThrow(
      `1 of 2 lines of ${odd} are malformed, more than the share of 0.01 that is allowed:\n${odd}:2: `,
    );
    await expect(import_([put("empty.jsonl", "")])).rejects.toThrow("corpus own has no training documents");
    await expect(import_([])).rejects.toThrow("no files were named to import");
    await expect(import_([odd], { heldOutFraction: 5 })).rejects.toThrow("heldOutFraction is 5, expected a share");
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const failing = {
      maxMalformed: 1,
      writeFile: () => {
        throw full;
      },
    };
    await expect(import_([odd], { ...failing, heldOutFraction: 0, validationFraction: 0 })).rejects.toThrow(
      "the disk is full, corpus own was not written",
    );
    expect(readdirSync(path.dirname(folder))).toEqual([]);
  });
});
