import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { trainBatches } from "./batches";
import { upToDateManifest } from "./builder/build";
import { withReport } from "./report";
import { openCorpus } from "./corpus";
import { heldOutWindows } from "./held-out";
import { corpusFolder } from "./project-folder";

const folder = corpusFolder("quickstart");
const built = upToDateManifest("quickstart");

/** What is promised of the corpus, checked wherever it has been built from the present sources. */
describe.runIf(built !== undefined)("corpus quickstart", () => {
  it("has at least seven domains and 2.5 M training tokens, none of them scarce", async () => {
    const { domains, train, vocabSize } = await openCorpus("quickstart");
    expect(vocabSize).toBe(8192);
    expect(domains.length).toBeGreaterThanOrEqual(7);
    expect(train.tokens).toBeGreaterThan(2_500_000);
    for (const { trainTokens, heldOutTokens } of domains) {
      expect(trainTokens).toBeGreaterThan(train.tokens / (3 * domains.length));
      expect(heldOutTokens).toBeGreaterThan(0.04 * trainTokens);
      expect(heldOutTokens).toBeLessThan(0.06 * trainTokens);
    }
  });

  it("has the counts that its README states", () => {
    const readme = path.join(folder, "README.md");
    if (built !== undefined) expect(withReport(readFileSync(readme, "utf8"), built)).toBe(readFileSync(readme, "utf8"));
  });

  it("shares no document between training and held-out text", async () => {
    const { train, heldOut } = await openCorpus("quickstart");
    const texts = (store: typeof train) =>
      Array.from({ length: store.documents }, (_, document) => store.tokensOf(document).join(" "));
    const trained = new Set(texts(train));
    expect(trained.size).toBe(train.documents);
    expect(texts(heldOut).filter((text) => trained.has(text))).toEqual([]);
  });

  it("gives batches and windows of every domain", async () => {
    const corpus = await openCorpus("quickstart");
    const { tokens_BM, epoch } = trainBatches(corpus, { batchSize: 8, contextLength: 256, seed: 1 }).next().value;
    expect(tokens_BM.length).toBe(8 * 257);
    expect(epoch).toBe(0);
    for (const { name } of corpus.domains) {
      expect(heldOutWindows(corpus, name, { contextLength: 512, maxWindows: 40 }).windows).toBe(40);
    }
  });
});

describe("openCorpus", () => {
  it.runIf(!existsSync(path.join(folder, "build")))("names the command that builds a corpus", async () => {
    await expect(openCorpus("quickstart")).rejects.toThrow("run npm run data -- build quickstart");
  });
});
