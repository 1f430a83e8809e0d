import { beforeAll, describe, expect, it } from "vitest";
import { suiteFiles } from "./bundle";
import type { Outcome } from "./outcome";
import { runSuite } from "./suite";
import { TO_COME } from "./to-come";
import { judge } from "./verdict";

/** Two idle processors need two minutes. */
const TIMEOUT_MS = 1_800_000;

describe("tfjs-core's own test suite on xla", () => {
  const files = suiteFiles();
  let outcomes: Outcome[] = [];
  beforeAll(async () => {
    outcomes = await runSuite(files);
  }, TIMEOUT_MS);

  it("has all its cases, but two for a backend of the name cpu", () => {
    expect(outcomes.length).toBe(4230);
  });

  it.each(files)("%s", (file) => {
    const own = outcomes.filter((outcome) => outcome.file === file);
    expect(judge(own, TO_COME, false).failures).toEqual([]);
  });

  it("needs all that is on the list of what is to come", () => {
    const { failures } = judge(outcomes, TO_COME, true);
    expect(failures.filter(({ title }) => outcomes.every(({ file, name }) => title !== `${file}: ${name}`))).toEqual(
      [],
    );
  });
});
