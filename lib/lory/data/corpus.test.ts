import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { knownCorpora, openCorpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import { ensureCorpus } from "./ensure";
import { MANIFEST_FILE, type Manifest } from "./manifest";
import { type TinyDocument, tinyContent, writeTinyCorpus } from "./tiny-corpus";
import { type TokenDocument, writeCorpus } from "./builder/write";
import type { DocumentStore } from "./documents";

const train: TinyDocument[] = [
  { domain: 0, tokens: [5, 6, 7] },
  { domain: 1, tokens: [6, 6] },
  { domain: 0, tokens: [9] },
];
const heldOut: TinyDocument[] = [{ domain: 1, tokens: [8, 8, 8, 8] }];

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), "corpus-"));
  folder = path.join(parent, "build");
  onTestFinished(() => rmSync(parent, { recursive: true }));
});

/** Changes the manifest as someone would by hand. */
function editManifest(change: (manifest: Manifest) => void): void {
  const file = path.join(folder, MANIFEST_FILE);
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  change(manifest);
  writeFileSync(file, JSON.stringify(manifest));
}

describe("openCorpus", () => {
  it("gives counts, documents with domain and source, and the histogram of training tokens", async () => {
    writeTinyCorpus(folder, { train, heldOut }, { shardTokens: 4 });
    const corpus = await openCorpus(folder);
    expect(corpus.domains).toMatchObject([
      { name: "north", trainDocuments: 2, trainTokens: 4, heldOutDocuments: 0, heldOutTokens: 0 },
      { name: "south", trainDocuments: 1, trainTokens: 2, heldOutDocuments: 1, heldOutTokens: 4 },
    ]);
    expect(corpus.sources).toMatchObject([
      { package: "north-texts", documents: 2, tokens: 4, bytes: 12 },
      { package: "south-texts", documents: 2, tokens: 6, bytes: 18 },
    ]);
    expect(corpus.manifest.splits.train.shards.map(({ tokens }) => tokens)).toEqual([5, 1]);
    expect(train.map((_, document) => [...corpus.train.tokensOf(document)])).toEqual(train.map(({ tokens }) => tokens));
    expect([...corpus.train.domains]).toEqual([0, 1, 0]);
    expect([...corpus.heldOut.sources]).toEqual([1]);
    const counts = corpus.trainTokenCounts();
    expect(counts.length).toBe(1000);
    expect([0, 5, 6, 7, 8, 9].map((id) => counts[id])).toEqual([3, 1, 3, 1, 0, 1]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(9);
    corpus.close();
    expect([...corpus.heldOut.tokensOf(0)]).toEqual(heldOut[0].tokens);
    corpus.close();
  });

  it("keeps documents for validation apart, and the file of each document", async () => {
    const validation = [{ domain: 0, tokens: [4, 4] }];
    const content = tinyContent({ train, validation, heldOut });
    const named = (documents: TokenDocument[], ...files: string[]) =>
      documents.map((document, index) => ({ ...document, file: files[index] }));
    const { documents } = content;
    content.documents = {
      train: named(documents.train, "a", "b", "a"),
      validation: named(documents.validation ?? [], "c"),
      heldOut: named(documents.heldOut, "d"),
    };
    writeCorpus(folder, content, { writeFile: writeFileSync });
    const corpus = await openCorpus(folder);
    const names = corpus.fileNames();
    const filesOf = (store: DocumentStore) => Array.from(store.files, (file) => names[file]);
    expect([corpus.train, corpus.validation, corpus.heldOut].map(filesOf)).toEqual([["a", "b", "a"], ["c"], ["d"]]);
    expect([...corpus.validation.tokensOf(0)]).toEqual([4, 4]);
    expect(corpus.domains[0]).toMatchObject({ validationDocuments: 1, validationTokens: 2 });

    writeTinyCorpus(folder, { train, heldOut });
    const plain = await openCorpus(folder);
    expect(plain.manifest.hash).not.toBe(corpus.hash);
    expect(plain.validation).toMatchObject({ documents: 0, tokens: 0 });
    expect(plain.fileNames()).toEqual([]);
    expect([...plain.train.files, ...plain.heldOut.files]).toEqual([0, 1, 2, 3]);
  });

  it("finds a corpus by its name in the folder that LORY_DATA names, as a build or as copied shards", async () => {
    vi.stubEnv("LORY_DATA", parent);
    onTestFinished(() => void vi.unstubAllEnvs());
    writeTinyCorpus(path.join(parent, "shards"), { train, heldOut });
    writeTinyCorpus(path.join(parent, "built", "build"), { train, heldOut });
    expect((await openCorpus("shards")).dir).toBe(path.join(parent, "shards"));
    expect((await openCorpus("built")).dir).toBe(path.join(parent, "built", "build"));
    await expect(openCorpus("other")).rejects.toThrow(/no corpus "other".*LORY_DATA/);
  });

  it("stores ids beyond 65535 as uint32", async () => {
    writeTinyCorpus(folder, { train: [{ domain: 0, tokens: [70_000, 1] }], heldOut }, { vocabSize: 70_001 });
    const corpus = await openCorpus(folder);
    expect(corpus.manifest.dtype).toBe("uint32");
    expect([...corpus.train.tokensOf(0)]).toEqual([70_000, 1]);
    expect(corpus.trainTokenCounts()[70_000]).toBe(1);
    writeTinyCorpus(folder, { train, heldOut }, { vocabSize: 65_536 });
    expect((await openCorpus(folder)).manifest.dtype).toBe("uint16");
  });

  it("has a hash that names tokens, order, domains and tokenizer, and nothing else", () => {
    const hash = (change: (content: ReturnType<typeof tinyContent>) => void) => {
      const content = tinyContent({ train: structuredClone(train), heldOut });
      change(content);
      return writeCorpus(folder, content, { writeFile: writeFileSync, inputsHash: String(Math.random()) }).hash;
    };
    const plain = hash(() => undefined);
    expect(hash((content) => (content.description = "other words"))).toBe(plain);
    const others = [
      hash((content) => (content.documents.train[0].tokens = [5, 6, 8])),
      hash((content) => (content.documents.train = [...content.documents.train].reverse())),
      hash((content) => (content.documents.train[0].domain = 1)),
      hash((content) => (content.tokenizer.sha256 = "other")),
      hash((content) => (content.documents.heldOut = [])),
    ];
    expect(new Set([plain, ...others]).size).toBe(6);
  });

  it("refuses damaged, cut and missing shards, and says what to do", async () => {
    writeTinyCorpus(folder, { train, heldOut });
    const shard = path.join(folder, "train-00000.npy");
    const whole = readFileSync(shard);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 1] ^= 1;
    writeFileSync(shard, flipped);
    await expect(openCorpus(folder)).rejects.toThrow(`${shard} is damaged: its hash differs: build it again`);
    writeFileSync(shard, whole.subarray(0, whole.length - 2));
    await expect(openCorpus(folder)).rejects.toThrow("is damaged: it has");
    rmSync(shard);
    await expect(openCorpus(folder)).rejects.toThrow(`${shard} is missing: build it again`);
    writeFileSync(shard, whole);
    expect((await openCorpus(folder)).train.tokens).toBe(6);
    rmSync(path.join(folder, "heldOut-domains.npy"));
    await expect(openCorpus(folder)).rejects.toThrow(CorpusError);
  });

  it("refuses manifests that are missing, broken, altered or of another format", async () => {
    await expect(openCorpus(folder)).rejects.toThrow(`there is no corpus in ${folder}: build it again`);
    writeTinyCorpus(folder, { train, heldOut });
    editManifest((manifest) => (manifest.splits.train.shards[0].tokens = 7));
    await expect(openCorpus(folder)).rejects.toThrow("was altered, its hash does not fit its content");
    editManifest((manifest) => (manifest.formatVersion = 99));
    await expect(openCorpus(folder)).rejects.toThrow("has format version 99, this library reads 1: build it again");
    writeFileSync(path.join(folder, MANIFEST_FILE), '{"formatVersion": 1}');
    await expect(openCorpus(folder)).rejects.toThrow("is incomplete");
    writeFileSync(path.join(folder, MANIFEST_FILE), "{");
    await expect(openCorpus(folder)).rejects.toThrow("is damaged");
  });

  it("lists the known corpora when a name is unknown", async () => {
    expect(knownCorpora()).toContain("quickstart");
    await expect(openCorpus("quickstrat")).rejects.toThrow('there is no corpus "quickstrat"; known are');
    await expect(ensureCorpus("quickstrat")).rejects.toThrow('there is no corpus "quickstrat"; known are');
  });
});

describe("writeCorpus", () => {
  const diskFull = (atWrite: number) => {
    let writes = 0;
    return (file: string, content: Uint8Array | string) => {
      if (++writes === atWrite) {
        writeFileSync(file, content.slice(0, content.length / 2));
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      }
      writeFileSync(file, content);
    };
  };
  const writes = 4 + 4 + 1;

  it.each(Array.from({ length: writes }, (_, i) => i + 1))(
    "leaves nothing when the disk is full at write %i",
    (atWrite) => {
      const write = () => writeTinyCorpus(folder, { train, heldOut }, { writeFile: diskFull(atWrite) });
      expect(write).toThrow("the disk is full, corpus tiny was not written: free some space and try again");
      expect(readdirSync(parent)).toEqual([]);
    },
  );

  it("keeps the corpus that was there when a later build fails, replaces it when one succeeds", async () => {
    const { hash } = writeTinyCorpus(folder, { train, heldOut });
    for (let atWrite = 1; atWrite <= writes; atWrite++) {
      const write = () => writeTinyCorpus(folder, { train: train.slice(1), heldOut }, { writeFile: diskFull(atWrite) });
      expect(write).toThrow(CorpusError);
    }
    expect((await openCorpus(folder)).hash).toBe(hash);
    const second = writeTinyCorpus(folder, { train: train.slice(1), heldOut }, { writeFile: diskFull(writes + 1) });
    expect((await openCorpus(folder)).hash).toBe(second.hash);
    expect(readdirSync(parent)).toEqual(["build"]);
  });

  it("removes what a killed build left, and spares one that runs", () => {
    const [dead, alive] = [`build-${2 ** 22 + 1}-abc`, `build-${process.pid}-abc`];
    for (const name of [dead, alive]) mkdirSync(path.join(parent, ".tmp", name), { recursive: true });
    writeTinyCorpus(folder, { train, heldOut });
    expect(readdirSync(path.join(parent, ".tmp"))).toEqual([alive]);
  });

  it("refuses a corpus without training documents", () => {
    expect(() => writeTinyCorpus(folder, { train: [], heldOut })).toThrow("corpus tiny has no training documents");
    expect(existsSync(folder)).toBe(false);
  });

  it("says which other error kept it from writing", () => {
    const nowhere = path.join(folder, "is", "a", "file");
    writeFileSync(folder, "");
    expect(() => writeTinyCorpus(nowhere, { train, heldOut })).toThrow("corpus tiny was not written: ENOTDIR");
    const writeFile = () => {
      throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    };
    expect(() => writeTinyCorpus(folder, { train, heldOut }, { writeFile })).toThrow(
      "corpus tiny was not written: EACCES: permission denied",
    );
  });
});
