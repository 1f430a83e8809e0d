/** `npm test [-- filters]`: all tests, those of models on every backend, and their counts as the last line. */
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "../errors.mjs";
import { withHugePages } from "../huge-pages.mjs";
import { at } from "../places.mjs";
import { runInTerminal } from "../programs.mjs";
import { hasInterop, interop, INTEROP_FLAG, interopObstacle } from "../interop.mjs";
import { isDone, setUp } from "../set-up.mjs";
import { hasTensorflow, tensorflow, tensorflowFlag, tensorflowObstacle, VARIANTS } from "../tensorflow.mjs";
import { add, count, countLine, readReport } from "../vitest-report.mjs";

/** @typedef {import("../vitest-report.mjs").Counts} Counts */

const REPORT = at(".cache/tests.json");
/** Backends beside `xla` that the tests of models run on. */
const BACKENDS = ["tensorflow", "wasm", "cpu"];
/** What a test file calls that runs on the backend which LORY_TEST_BACKEND names. */
const MARK = "useTestBackend";

/** @param {string[]} args */
export async function run(args) {
  const noInterop = args.length === 0 ? await missingInterop() : undefined;
  let counts = await vitest(args, process.env);
  if (noInterop !== undefined) console.log(`Exchanged models were not tested with transformers. ${noInterop}`);
  if (args.length === 0 && !process.env.LORY_TEST_BACKEND) {
    const reason = await noTensorflow();
    for (const backend of BACKENDS.filter((name) => name !== "tensorflow" || reason === undefined)) {
      console.log(`\nThe tests of models on the backend ${backend}`);
      const options = ["--no-isolate", ...testsOnBackends(at("lib/lory"))];
      counts = add(counts, await vitest(options, { ...process.env, LORY_TEST_BACKEND: backend }));
    }
    if (reason !== undefined) console.log(`Not tested on the backend tensorflow. ${reason}`);
  }
  console.log(countLine(counts));
  return counts.failed > 0 ? 1 : 0;
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<Counts>} */
async function vitest(args, env) {
  fs.rmSync(REPORT, { force: true });
  const command = [at("node_modules/vitest/vitest.mjs"), "run", "--reporter=default", "--reporter=json"];
  const exitCode = await runInTerminal(
    process.execPath,
    [...command, `--outputFile.json=${REPORT}`, ...args],
    withHugePages(env),
  );
  return count(readReport(REPORT), exitCode);
}

/**
 * Why there is no backend `tensorflow` to test, as a line; undefined if there is one. Continuous integration sets it up; a
 * person is not made to download it.
 * @throws {SetupError} if its parts are here and do not fit together
 */
async function noTensorflow() {
  if (VARIANTS.some(hasTensorflow)) return undefined;
  if (!process.env.CI) return `It is not set up: npm run setup -- ${tensorflowFlag("cpu")}`;
  const obstacle = tensorflowObstacle("cpu");
  if (obstacle) return obstacle;
  try {
    await setUp({ tensorflow: ["cpu"] });
    return undefined;
  } catch (error) {
    const parts = tensorflow("cpu").filter(({ id }) => !id.endsWith("native"));
    if (!(error instanceof SetupError) || parts.every(isDone)) throw error;
    return error.message;
  }
}

/** Why there is no torch to test exchanged models with, as a line; undefined if there is one. As for `tensorflow`. */
async function missingInterop() {
  if (hasInterop()) return undefined;
  if (!process.env.CI) return `They are not set up: npm run setup -- ${INTEROP_FLAG}`;
  const obstacle = interopObstacle();
  if (obstacle) return obstacle;
  try {
    await setUp({ interop: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof SetupError) || interop.some(isDone)) throw error;
    return error.message;
  }
}

/** Test files under a folder that run on whichever backend they are given. @param {string} folder @returns {string[]} */
function testsOnBackends(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) return ["dist", "node_modules"].includes(entry.name) ? [] : testsOnBackends(place);
    return place.endsWith(".test.ts") && fs.readFileSync(place, "utf8").includes(MARK) ? [place] : [];
  });
}
