/** `npm run check`: format, types, lint and the fast tests, with one line each and the output of what failed. */
import { spawn } from "node:child_process";
import os from "node:os";
import { withHugePages } from "../../../lory/bin/huge-pages.js";
import { at, ROOT, WORKSPACES } from "../places.mjs";
import { SetupError } from "../errors.mjs";

/** @typedef {{ name: string, args: string[], mend?: string }} Check `args` of node */
/** @typedef {{ passed: boolean }} Result */

const CACHE = at(".cache");

/** @type {Check} */
const FORMAT = {
  name: "format",
  args: [
    at("node_modules/prettier/bin/prettier.cjs"),
    ...["--check", "--log-level=warn", "--cache", `--cache-location=${CACHE}/prettier`, "."],
  ],
  mend: "npm run format",
};
/** @type {Check} */
const TYPES = { name: "types", args: [at("node_modules/typescript/bin/tsc"), "-b", ...WORKSPACES] };
/** Folders whose TypeScript is not part of a workspace's build. @type {Check[]} */
const OTHER_TYPES = ["lib/lab/setup", "data"].map((folder) => ({
  name: `types in ${folder}`,
  args: [at("node_modules/typescript/bin/tsc"), "-p", folder],
}));
/**
 * Files that have not changed are not linted again, though a type that they import may have; the compiler sees such errors, and
 * continuous integration lints all.
 * @type {Check}
 */
const LINT = {
  name: "lint",
  args: [
    at("node_modules/eslint/bin/eslint.js"),
    "--max-warnings=0",
    ...(process.env.CI ? [] : ["--cache", "--cache-strategy=content", `--cache-location=${CACHE}/eslint`]),
    ...["lib", "data"],
  ],
};
/** @type {Check} */
const TESTS = {
  name: "fast tests",
  args: [
    at("node_modules/vitest/vitest.mjs"),
    ...["run", "--exclude=**/*.slow.test.ts", `--maxWorkers=${os.availableParallelism()}`],
  ],
};

/** @param {string[]} args */
export async function run(args) {
  if (args.length) throw new SetupError(`npm run check takes no arguments; it was given ${args.join(" ")}.`);
  const started = Date.now();
  // The linter reads the types of other workspaces from what the compiler writes; two programs at a time.
  const results = await Promise.all([inTurn([TYPES, ...OTHER_TYPES, LINT]), inTurn([FORMAT, TESTS])]);
  const failed = results.flat().filter((passed) => !passed).length;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(
    failed ? `${failed} of ${results.flat().length} checks failed (${seconds} s)` : `All is well (${seconds} s)`,
  );
  return failed ? 1 : 0;
}

/** @param {Check[]} checks @returns {Promise<boolean[]>} whether each passed */
async function inTurn(checks) {
  const results = [];
  for (const check of checks) results.push(await runCheck(check));
  return results;
}

/** @param {Check} check @returns {Promise<boolean>} */
function runCheck({ name, args, mend }) {
  const started = Date.now();
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: withHugePages({ ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  /** @type {Buffer[]} */
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => output.push(data));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      const advice = code !== 0 && mend ? `. To mend it: ${mend}` : "";
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)${advice}`);
      if (code !== 0) console.log(Buffer.concat(output).toString().trimEnd());
      resolve(code === 0);
    });
  });
}
