import { describe, expect, it } from "vitest";
import { count, countLine } from "./vitest-report.mjs";

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});
const report = (testResults: ReturnType<typeof file>[], skipped = 0) => ({
  numPassedTests: testResults.flatMap((one) => one.assertionResults).filter((test) => test.status === "passed").length,
  numPendingTests: skipped,
  numTodoTests: 0,
  testResults,
});

describe("count", () => {
  it("counts passed, failed and skipped tests", () => {
    const mixed = report([file("passed", "passed", "passed"), file("failed", "passed", "failed", "failed")], 4);
    expect(count(mixed, 1)).toEqual({ passed: 3, failed: 2, skipped: 4 });
  });

  it("counts a file that could not be loaded as a failure", () => {
    expect(count(report([file("passed", "passed"), file("failed")]), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it("counts an error that no test caught as a failure", () => {
    expect(count(report([file("passed", "passed")]), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it("fails without tests and without a report", () => {
    expect(count(report([]), 0).failed).toBe(1);
    expect(count(report([file("passed")], 3), 0).failed).toBe(1);
    expect(count(undefined, 0).failed).toBe(1);
  });
});

it("says the counts in one line", () => {
  expect(countLine({ passed: 12, failed: 0, skipped: 0 })).toBe("12 passed, 0 failed");
  expect(countLine({ passed: 1, failed: 2, skipped: 3 })).toBe("1 passed, 2 failed, 3 skipped");
});
