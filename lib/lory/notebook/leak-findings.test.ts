import { describe, expect, it } from "vitest";
import type { Interval, Leak } from "../eval";
import { leakByDomainTable, leakFindings, leakTable, type MeasuredLeak } from ".";

const at = (mean: number, low = mean - 0.1, high = mean + 0.1): Interval => ({ mean, low, high });

function measured(segmentLength: number, firstSegment: Interval, laterSegments: Interval | null): MeasuredLeak {
  const total = { domain: "all domains", documents: 5, all: at(0.2), firstSegment, laterSegments };
  const leak: Leak = { domains: [{ ...total, domain: "prose" }], total, places: [] };
  return { model: "Lory", segmentLength, measure: "twin", leak };
}

const found = [measured(16, at(0.05), at(0)), measured(8, at(0.3), null)];

describe("leaks", () => {
  it("are a table, with their intervals in full in the CSV", () => {
    const { markdown, csv } = leakTable(found);
    expect(markdown.split("\n")[0]).toBe(
      "| model | T | measure | segment 1 | segment 1, from | segment 1, to | later segments | later segments, from | later segments, to |",
    );
    expect(markdown.split("\n")[3]).toBe("| Lory | 8 | twin | 0.300 | 0.200 | 0.400 |  |  |  |");
    expect(csv.split("\n")[1]).toBe(`Lory,16,twin,0.05,${0.05 - 0.1},${0.05 + 0.1},0,-0.1,0.1`);
  });

  it("are a table by domain, that closes with all", () => {
    const rows = leakByDomainTable(found[0]).csv.split("\n");
    expect([rows[1], rows[2]].map((row) => row.split(",").slice(0, 2))).toEqual([
      ["prose", "5"],
      ["all domains", "5"],
    ]);
  });

  it("are put in words, shortest segments first, with what the intervals say of 0", () => {
    expect(leakFindings("The twin loses more", found)).toBe(
      "The twin loses more: 0.300 nats a token at T = 8 (0.200 to 0.400), 0.050 nats a token at T = 16 (-0.050 to 0.150); " +
        "the interval is above 0 at T = 8, it holds 0 at T = 16.",
    );
    const zero = measured(8, at(0, 0, 0), null);
    expect(leakFindings("Token choice", [zero])).toMatch(/\(0\.000 to 0\.000\); it is exactly 0 at every T\.$/);
    expect(leakFindings("A twin", [measured(8, at(-0.3), null)])).toMatch(/; it is below 0 at every T\.$/);
  });
});
