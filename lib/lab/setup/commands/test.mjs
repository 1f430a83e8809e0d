/** `npm test [-- filters]`: all tests, those of models on every backend, and their counts as the last line. */
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "../errors.mjs";
import { withHugePages } from "../../../lory/bin/huge-pages.js";
import { at } from "../places.mjs";
import { runInTerminal } from "../programs.mjs";
import { embeddings, EMBEDDINGS_FLAG, hasEmbeddings } from "../embeddings.mjs";
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
  const noInterop = args.length === 0 ? await whyMissing(interopExtra()) : undefined;
  const noEmbeddings = args.length === 0 ? await whyMissing(embeddingsExtra()) : undefined;
  let counts = await vitest(args, process.env);
  if (noEmbeddings !== undefined) console.log(`Embeddings by models were not tested. ${noEmbeddings}`);
  if (noInterop !== undefined) console.log(`Exchanged models were not tested with transformers. ${noInterop}`);
  if (args.length === 0 && !process.env.LORY_TEST_BACKEND) {
    const reason = await whyMissing(tensorflowExtra());
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
 * @typedef {object} Extra what some tests need beside the set-up
 * @property {boolean} isHere
 * @property {string} flag the argument of `npm run setup` that adds it
 * @property {string | undefined} obstacle why it cannot be had on this machine
 * @property {import("../set-up.mjs").Options} options
 * @property {() => boolean} isFetched whether what comes over the network is here: a failure after that is not the network's
 */

/** @returns {Extra} */
const tensorflowExtra = () => ({
  isHere: VARIANTS.some(hasTensorflow),
  flag: tensorflowFlag("cpu"),
  obstacle: tensorflowObstacle("cpu"),
  options: { tensorflow: ["cpu"] },
  isFetched: () =>
    tensorflow("cpu")
      .filter(({ id }) => !id.endsWith("native"))
      .every(isDone),
});

/** @returns {Extra} */
const embeddingsExtra = () => ({
  isHere: hasEmbeddings(),
  flag: EMBEDDINGS_FLAG,
  obstacle: undefined,
  options: { embeddings: true },
  isFetched: () => isDone(embeddings),
});

/** @returns {Extra} */
const interopExtra = () => ({
  isHere: hasInterop(),
  flag: INTEROP_FLAG,
  obstacle: interopObstacle(),
  options: { interop: true },
  isFetched: () => interop.some(isDone),
});

/**
 * Why something is not here to test with, as a line; undefined if it is. Continuous integration sets it up; a person is not made
 * to download it.
 * @param {Extra} extra
 * @throws {SetupError} if its parts are here and do not fit together
 */
async function whyMissing({ isHere, flag, obstacle, options, isFetched }) {
  if (isHere) return undefined;
  if (!process.env.CI) return `It is not set up: npm run setup -- ${flag}`;
  if (obstacle) return obstacle;
  try {
    await setUp(options);
    return undefined;
  } catch (error) {
    if (!(error instanceof SetupError) || isFetched()) throw error;
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
