/**
 * The library's native code for processors: products of matrices on Intel AMX, compiled with what compiler is here. Nothing needs it: without a
 * compiler XLA computes the same products more slowly, which one line says.
 */
import fs from "node:fs";
import path from "node:path";
import { onPath } from "./child.mjs";
import { at, STATE } from "./places.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

const SOURCES = at("lib/tfjs-backend-xla/cpu");
const PROGRAMS = ["custom-call.cc", "products.cc"];
const MACHINE = "linux-x64";
const COMPILERS = ["g++", "clang++"];
const ID = "cpu-kernels";

/** What is chosen when the library runs is left to it: functions for AMX say so themselves, the rest is for every processor. */
const FLAGS = ["-std=c++17", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,--exclude-libs,ALL"];
/** Whatever C++ library the process has loaded, ours has its own and shows nothing of it: where the compiler came with one to link. */
const OWN_LIBRARIES = ["-static-libstdc++", "-static-libgcc"];

const here = () => `${process.platform}-${process.arch}`;

/** The first one here; empty for none. */
const foundCompiler = () => COMPILERS.map(onPath).find((file) => file !== undefined) ?? "";

/**
 * @param {object} [given] this machine's, if not given
 * @param {string} [given.machine]
 * @param {string} [given.compiler] empty for none
 * @param {string} [given.folder] where the library is put
 * @returns {import("./step.mjs").Step}
 */
export function cpuKernels({
  machine = here(),
  compiler = foundCompiler(),
  folder = at("lib/tfjs-backend-xla/dist/cpu"),
} = {}) {
  const library = path.join(folder, `kernels-${machine}.so`);
  /** Is there where the library is not, and is not to be tried again. */
  const without = `${library}.none`;
  const stamp = path.join(folder, ".lory");
  const obstacle = kernelsObstacle({ machine, compiler });
  const current = () => digest(...(obstacle ? [obstacle] : [identity(compiler), ...sources()]));
  return {
    id: ID,
    title: "Products of matrices for Intel AMX (C++)",
    megabytes: 1,
    duration: "5 s",
    isDone: () => isStamped(stamp, current()) && [library, without].some((file) => fs.existsSync(file)),
    work: ({ run }) =>
      stamped(stamp, current, async () => {
        fs.mkdirSync(folder, { recursive: true });
        for (const file of [library, without]) fs.rmSync(file, { force: true });
        const unfinished = `${library}.new`;
        const programs = PROGRAMS.map((name) => path.join(SOURCES, name));
        for (const libraries of obstacle ? [] : [OWN_LIBRARIES, []])
          if (await run(compiler, [...FLAGS, ...libraries, ...programs, "-o", unfinished]))
            return fs.renameSync(unfinished, library);
        fs.rmSync(unfinished, { force: true });
        fs.writeFileSync(without, "");
        const failure = `${STAYS}: ${path.basename(compiler)} does not compile them; GCC 11 or newer does. Log: ${STATE}/${ID}.log`;
        console.log(`      ${obstacle ?? failure}`);
      }),
  };
}

const STAYS = "Products of matrices stay XLA's, which take 1.5 to 2 times as long where the processor has Intel AMX";

/**
 * Why there is nothing to compile, or nothing to do it with, as one line; undefined if there is.
 * @param {{ machine?: string, compiler?: string }} [given] this machine's, if not given
 */
export function kernelsObstacle({ machine = here(), compiler = foundCompiler() } = {}) {
  if (machine !== MACHINE) return `Products of matrices stay XLA's: those of Intel AMX are for ${MACHINE}.`;
  if (compiler) return undefined;
  return `${STAYS}: neither ${COMPILERS.join(" nor ")} is on PATH. Debian, Ubuntu: sudo apt install g++, then npm run setup.`;
}

/** A compiler that was changed may compile what the one before did not. @param {string} compiler */
function identity(compiler) {
  const { size, mtimeMs } = fs.statSync(compiler);
  return [...FLAGS, ...OWN_LIBRARIES, compiler, size, mtimeMs].join(" ");
}

const sources = () =>
  fs
    .readdirSync(SOURCES)
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => fs.readFileSync(path.join(SOURCES, name)));
