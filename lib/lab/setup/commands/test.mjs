/** `npm test [-- filters]`: all tests, and their counts as the last line. */
import fs from "node:fs";
import { withHugePages } from "../huge-pages.mjs";
import { at } from "../places.mjs";
import { runInTerminal } from "../programs.mjs";
import { count, countLine, readReport } from "../vitest-report.mjs";

const REPORT = at(".cache/tests.json");

/** @param {string[]} args */
export async function run(args) {
  fs.rmSync(REPORT, { force: true });
  const vitest = [at("node_modules/vitest/vitest.mjs"), "run", "--reporter=default", "--reporter=json"];
  const exitCode = await runInTerminal(
    process.execPath,
    [...vitest, `--outputFile.json=${REPORT}`, ...args],
    withHugePages(process.env),
  );
  const counts = count(readReport(REPORT), exitCode);
  console.log(countLine(counts));
  return counts.failed > 0 ? 1 : 0;
}
