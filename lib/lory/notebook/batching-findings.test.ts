import { describe, expect, it } from "vitest";
import { batchingBars } from "../plots";
import { batchingFindings, batchingTable } from ".";

const measured = (name: string, purity: number, similarity: number, restarts: number | null = null) => ({
  name,
  purity,
  similarity,
  restarts,
  documents: 1000,
  instances: 100,
  documentsMean: 10.5,
  documentsMedian: 10,
  sameFile: 0.25,
});
const all = [measured("random", 0.2, 0.01), measured("domain", 1, 0.05), measured("similarity", 0.6, 0.4, 99)];

describe("batchingFindings", () => {
  it("says how far an order goes from random order to the domains", () => {
    const said = batchingFindings(all);
    expect(said).toContain(
      "An instance holds 10 documents (median). In random order the most frequent domain has 20 %",
    );
    expect(said).toContain(
      "**similarity**: neighbours have a mean cosine of 0.400, and 25 % of them are of one file; " +
        "purity goes 50 % of the way from random order to the domains; a new path begins after 10.0 documents on average.",
    );
    expect(said).toContain("the same 1,000 documents");
  });

  it("compares with random order and the domains, which must be there", () => {
    expect(() => batchingFindings(all.slice(1))).toThrow("random order, which is not among them");
  });
});

describe("batchingTable and batchingBars", () => {
  it("have a row and a pair of bars for each order", () => {
    expect(batchingTable(all).csv.trimEnd().split("\n")).toHaveLength(4);
    const { data } = batchingBars(all);
    expect(data.map(({ y }) => y)).toEqual([
      [0.01, 0.05, 0.4],
      [0.2, 1, 0.6],
    ]);
  });
});
