import { describe, expect, it } from "vitest";
import type { Outcome } from "./outcome";
import { judge, type ToCome } from "./verdict";

const NOTHING: ToCome = { kernels: [], cases: {}, tooLong: {} };
const outcome = (name: string, status: Outcome["status"], ...messages: string[]): Outcome => ({
  file: "ops/a_test.js",
  name,
  status,
  messages,
});
const LACKS = "Error: Kernel 'Draw' not registered for backend 'xla'";

describe("the verdict on a run of tfjs's suite", () => {
  it("counts what passed, what failed and what was not run", () => {
    const outcomes = [outcome("a", "passed"), outcome("b", "failed", "is 1"), outcome("c", "pending")];
    const failures = [{ title: "ops/a_test.js: b", messages: ["is 1"] }];
    expect(judge(outcomes, NOTHING, true)).toEqual({ passed: 1, skipped: 1, failures });
  });

  it("excuses cases that want a kernel of the list, and no others", () => {
    const toCome = { ...NOTHING, kernels: ["Draw"] };
    expect(judge([outcome("a", "failed", LACKS)], toCome, true)).toEqual({ passed: 0, skipped: 1, failures: [] });
    const other = outcome("a", "failed", LACKS.replace("Draw", "DrawImage"));
    expect(judge([other], toCome, false).failures).toHaveLength(1);
  });

  it("fails a kernel of the list that no case of a complete run wants", () => {
    const toCome = { ...NOTHING, kernels: ["Draw"] };
    expect(judge([outcome("a", "passed")], toCome, true).failures.map(({ title }) => title)).toEqual(["Draw"]);
    expect(judge([outcome("a", "passed")], toCome, false).failures).toEqual([]);
  });

  it("excuses single cases, and fails those that pass or are not there", () => {
    const toCome = { ...NOTHING, cases: { "ops/a_test.js": { a: "reason" } } };
    expect(judge([outcome("a", "failed", "is 1")], toCome, true)).toEqual({ passed: 0, skipped: 1, failures: [] });
    expect(judge([outcome("a", "passed")], toCome, false).failures).toHaveLength(1);
    expect(judge([outcome("b", "passed")], toCome, true).failures).toHaveLength(1);
    expect(judge([outcome("b", "passed")], toCome, false).failures).toHaveLength(0);
  });
});
