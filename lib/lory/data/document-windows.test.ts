import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCorpus, type Corpus } from "./corpus";
import { documentWindows } from "./document-windows";
import { writeTinyCorpus } from "./tiny-corpus";

let folder: string;
let corpus: Corpus;

/** Document i counts up from 100 i, and is i + 1 tokens long. */
const heldOut = Array.from({ length: 9 }, (_, i) => {
  return { domain: i % 2, tokens: Array.from({ length: i + 1 }, (__, t) => 100 * i + t + 1) };
});

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "document-windows-"));
  writeTinyCorpus(path.join(folder, "corpus"), { train: [{ domain: 0, tokens: [1] }], heldOut });
  corpus = await openCorpus(path.join(folder, "corpus"));
});
afterAll(() => {
  corpus.close();
  fs.rmSync(folder, { recursive: true });
});

const rows = (domain: string, length: number, maxDocuments = 100): number[][] => {
  const { tokens_SM, windows } = documentWindows(corpus, domain, { length, maxDocuments });
  return Array.from({ length: windows }, (_, s) => [...tokens_SM.subarray(s * (length + 1), (s + 1) * (length + 1))]);
};

describe("windows of documents", () => {
  it("are one for each document that is long enough, from within it", () => {
    const windows = rows("north", 4);
    expect(windows.map(([first]) => Math.floor(first / 100)).sort()).toEqual([4, 6, 8]);
    for (const [first, ...rest] of windows) {
      expect(rest).toEqual([1, 2, 3, 4].map((by) => first + by));
      expect((first % 100) + 4).toBeLessThanOrEqual(Math.floor(first / 100) + 1);
    }
    expect(rows("south", 7).map(([first]) => first)).toEqual([701]);
  });

  it("begin anywhere in a document, at the same place each time", () => {
    const starts = rows("north", 1).map(([first]) => first % 100);
    expect(new Set(starts).size).toBeGreaterThan(1);
    expect(rows("north", 1).map(([first]) => first % 100)).toEqual(starts);
  });

  it("are extended by more documents", () => {
    expect(rows("north", 2, 2)).toEqual(rows("north", 2, 4).slice(0, 2));
  });

  it("are refused where there are none", () => {
    const of = (domain: string, length: number, maxDocuments = 1) =>
      documentWindows(corpus, domain, { length, maxDocuments });
    expect(() => of("west", 1)).toThrow('no domain "west"; it has north, south');
    expect(() => of("south", 8)).toThrow("has no held-out document of 9 tokens: take shorter windows");
    expect(() => of("south", 0)).toThrow("length is 0");
    expect(() => of("south", 1, 0)).toThrow("maxDocuments is 0");
  });
});
