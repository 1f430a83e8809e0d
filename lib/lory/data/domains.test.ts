import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { upToDateManifest } from "./builder/build";
import { openCorpus } from "./corpus";
import { withReport } from "./report";
import { corpusFolder } from "./project-folder";

const INSTANCE_TOKENS = 1024;
const built = upToDateManifest("domains-s");

/** What is promised of the corpus, checked wherever it has been built from the present sources. */
describe.runIf(built !== undefined)("corpus domains-s", () => {
  it("has at least eight domains and about 20 M tokens", async () => {
    const { domains, train, validation, heldOut } = await openCorpus("domains-s");
    expect(domains.length).toBeGreaterThanOrEqual(8);
    expect(Math.abs(train.tokens + validation.tokens + heldOut.tokens - 20e6)).toBeLessThan(2e6);
    for (const domain of domains) {
      expect(domain.trainTokens).toBeGreaterThan(500_000);
      expect(domain.heldOutTokens).toBeGreaterThan(0.03 * domain.trainTokens);
      expect(domain.validationTokens).toBeGreaterThan(0.01 * domain.trainTokens);
    }
  });

  it("has passages of which at least four meet in 1024 tokens", async () => {
    const { train } = await openCorpus("domains-s");
    const lengths = Uint32Array.from(train.lengths).sort();
    expect(lengths[lengths.length >>> 1]).toBeLessThanOrEqual(INSTANCE_TOKENS / 4);
  });

  it("keeps the passages of a file on one side", async () => {
    const corpus = await openCorpus("domains-s");
    const [train, validation, heldOut] = [corpus.train, corpus.validation, corpus.heldOut].map(
      ({ files }) => new Set(files),
    );
    expect(new Set([...train, ...validation, ...heldOut]).size).toBe(train.size + validation.size + heldOut.size);
    expect(corpus.fileNames().length).toBe(train.size + validation.size + heldOut.size);
  });

  it("has the counts that its README states", () => {
    const readme = readFileSync(path.join(corpusFolder("domains-s"), "README.md"), "utf8");
    if (built !== undefined) expect(withReport(readme, built)).toBe(readme);
  });
});
