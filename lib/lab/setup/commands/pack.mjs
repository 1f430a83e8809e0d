/**
 * `npm run pack`: one file for a machine that has no network, no npm and no Node, such as a GPU server: the built library and its
 * benchmarks, the files of npm's packages that these load, and the Node that runs this. Laid out as a clone is.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { nodeFileTrace } from "@vercel/nft";
import { SetupError } from "../errors.mjs";
import { at, ROOT } from "../places.mjs";

const PACKED = ["lib/tfjs-backend-xla", "lib/lory"];
const NAME = "lory";
/** A program for one platform, and whether that is this one: names are like `koffi-linux-x64` and `tokenizers.linux-x64-gnu.node`. */
const NATIVE = /[.\\/-](?:aix|android|darwin|freebsd|linux|openbsd|sunos|win32)[-_][^\\/]*/;
const isForHere = (/** @type {string} */ file) => new RegExp(`${process.platform}[-_]${process.arch}`).test(file);
/** Packages for Linux bring a program for each of the two C libraries. */
const OTHER_LIBC = process.platform === "linux" ? (usesGlibc() ? /musl/ : /[-.]gnu\b|glibc/) : /^$/;
/** Compiled by `tsc -b` beside what is packed, and of no use without a test runner. */
const TESTS = /\.test\.js$|[\\/](?:conformance|testing[\\/]run-test)[\\/.]/;

/** @param {string[]} args */
export async function run(args) {
  if (args.length) throw new SetupError(`npm run pack takes no arguments; it was given ${args.join(" ")}.`);
  const archive = await pack(at(".cache/pack"));
  const megabytes = (fs.statSync(archive).size / 2 ** 20).toFixed(0);
  console.log(
    `${path.relative(ROOT, archive)}: ${megabytes} MB. On the other machine, with a PJRT plugin in LORY_PJRT_CUDA_PLUGIN:`,
  );
  console.log(`    tar xJf ${path.basename(archive)} && cd ${NAME} && bin/node lib/lory/bin/lory.js --help`);
  return 0;
}

/** Makes a folder anew, with the packed files and the archive of them. @param {string} folder @returns {Promise<string>} the archive */
export async function pack(folder) {
  const programs = PACKED.flatMap((place) => filesUnder(path.join(place, "dist"), ".js")).filter((f) => !TESTS.test(f));
  // Maps hold the sources, by whose hash a run that is trained there is known here.
  const maps = programs.map((file) => `${file}.map`);
  const kernels = filesUnder(path.join(PACKED[0], "dist"), ".so");
  const starters = filesUnder("lib/lory/bin", ".js");
  const scripts = PACKED.flatMap((place) => filesUnder(place, ".py"));
  const { fileList } = await nodeFileTrace(programs, { base: ROOT, processCwd: ROOT });
  const runs = (/** @type {string} */ file) =>
    (!NATIVE.test(file) || isForHere(file)) && !OTHER_LIBC.test(file) && !file.endsWith(".ts");
  const traced = [...fileList].filter(runs);
  // What a package for one platform loads is chosen when it runs, which no tracing sees.
  const native = traced
    .filter((file) => isForHere(path.dirname(file)))
    .map(packageOf)
    .filter(isForHere);
  const manifests = PACKED.map((place) => path.join(place, "package.json"));
  fs.rmSync(folder, { recursive: true, force: true });
  const packed = path.join(folder, NAME);
  for (const file of new Set([
    ...traced,
    ...native,
    ...programs,
    ...maps,
    ...kernels,
    ...starters,
    ...scripts,
    ...manifests,
  ]))
    copy(at(file), path.join(packed, file));
  packNode(path.join(packed, "bin/node"));
  const archive = path.join(folder, `${NAME}-${process.platform}-${process.arch}.tar.xz`);
  // A minute's work: who has less time than that sets another level.
  execFileSync("tar", ["-C", folder, "-cJf", archive, NAME], { env: { XZ_OPT: "-T0 -6", ...process.env } });
  return archive;
}

function usesGlibc() {
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return header.glibcVersionRuntime !== undefined;
}

/** Files of a folder with an ending, as paths in the clone. @param {string} place @param {string} ending @returns {string[]} */
function filesUnder(place, ending) {
  return fs
    .readdirSync(at(place), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending) && !file.split(path.sep).includes("node_modules"))
    .map((file) => path.join(place, file));
}

/** The folder of the package that a file belongs to. @param {string} file @returns {string} */
function packageOf(file) {
  const folder = path.dirname(file);
  return fs.existsSync(at(folder, "package.json")) ? folder : packageOf(folder);
}

/** Links stay links, as those of npm's workspaces are. @param {string} from @param {string} to */
function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/** Node without what only debuggers read, where a program to take that out is installed. @param {string} to */
function packNode(to) {
  copy(fs.realpathSync(process.execPath), to);
  try {
    execFileSync("strip", [to], { stdio: "ignore" });
  } catch {
    console.log("strip is not installed: Node is packed with its symbols, which is larger");
  }
}
