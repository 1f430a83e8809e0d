import { describe, expect, it } from "vitest";
import { corpusHash, type Manifest } from "./manifest";
import { corpusReport, markdownTable, withReport } from "./report";

const counts = (documents: number) => ({ documents, bytes: documents * 4000, tokens: documents * 1000 });
const stored = { file: "f", sizeBytes: 1, sha256: "0" };
const files = { shards: [], lengths: stored, domains: stored, sources: stored };
const manifest: Manifest = {
  formatVersion: 1,
  name: "tiny",
  description: "",
  hash: "0123456789abcdef0123",
  inputsHash: "",
  dtype: "uint16",
  tokenizer: { name: "lory-8k", sha256: "1", vocabSize: 8192, endOfDocument: 0 },
  domains: ["north", "south"].map((name) => ({
    name,
    description: `the ${name}`,
    steps: [{ step: "files taken", documents: 1500, bytes: 6_000_000 }],
    splits: { train: counts(1200), heldOut: counts(60) },
  })),
  sources: [],
  splits: { train: files, heldOut: files },
};

describe("corpus tables", () => {
  it("align their columns as Markdown", () => {
    const rows = [{ name: "a", size: 12345 }];
    const columns = [
      { title: "name", cell: (row: (typeof rows)[0]) => row.name },
      { title: "n", cell: (row: (typeof rows)[0]) => String(row.size), numeric: true },
    ];
    expect(markdownTable(rows, columns)).toBe("| name |     n |\n| ---- | ----: |\n| a    | 12345 |");
  });

  it("add up the domains and show each step", () => {
    const report = corpusReport({ ...manifest, hash: corpusHash(manifest) });
    expect(report).toContain("| all    |           |           2,400 |     9.60 |    2,400,000 |                120 |");
    expect(report).toMatch(/\| files taken +\| 1,500 \/ 6\.00 \| 1,500 \/ 6\.00 \|/);
  });

  it("replace what stands between the marks of a README", () => {
    const readme = "# Tiny\n\n<!-- generated: start -->\nold\n<!-- generated: end -->\n\nThe end.\n";
    const once = withReport(readme, manifest);
    expect(once).toContain("Corpus hash `0123456789abcdef`");
    expect(once).not.toContain("old");
    expect(once.endsWith("<!-- generated: end -->\n\nThe end.\n")).toBe(true);
    expect(withReport(once, manifest)).toBe(once);
    expect(() => withReport("# Tiny\n", manifest)).toThrow("the README has no lines");
  });
});
