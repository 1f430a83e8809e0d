/**
 * A Python with torch and transformers, for the tests of models that are exchanged with Hugging Face: Debian's torch, which
 * is small, unpacked inside the clone, and a transformers that takes it. Nothing else uses it.
 */
import fs from "node:fs";
import path from "node:path";
import { firstLine, onPath } from "./child.mjs";
import { SetupError } from "./errors.mjs";
import { at, INTEROP, ROOT, setupFile } from "./places.mjs";
import { installPinned } from "./python.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

/** @typedef {import("./step.mjs").Step} Step */

export const INTEROP_FLAG = "--interop";
const ROOT_FOLDER = path.join(INTEROP, "debian/root");
const PACKAGES = path.join(INTEROP, "packages");
/** The program that runs scripts with all of it. */
const PYTHON = path.join(INTEROP, "python");
const CHOICE = at(".cache/setup/interop");
const NEEDED = ["apt-get", "dpkg-deb", "awk"];

const read = (/** @type {string} */ name) => fs.readFileSync(setupFile("interop", name));
const stampOf = (/** @type {string} */ name) => path.join(INTEROP, `.${name}`);

/** Whether a set-up of it succeeded here. */
export const hasInterop = () => fs.existsSync(CHOICE);

/** Remembers that it is here, so that a plain set-up keeps it up to date. */
export const keepInterop = () => fs.writeFileSync(CHOICE, "");

/** Why it cannot be had on this machine, as one line; undefined if it can. */
export function interopObstacle() {
  const missing = NEEDED.filter((name) => onPath(name) === undefined);
  return missing.length
    ? `${INTEROP_FLAG}: torch comes from Debian's packages here, and there is no ${missing.join(", no ")} on this machine.`
    : undefined;
}

/** @type {Step} */
const torch = {
  id: "interop-torch",
  title: "Debian's torch for Python, for tests of exchanged models (a download of 160 MB)",
  megabytes: 700,
  duration: "1 min",
  isDone: () => isStamped(stampOf("torch"), digest(read("torch.sh"))),
  work: ({ run }) =>
    stamped(
      stampOf("torch"),
      () => digest(read("torch.sh")),
      async () => {
        const obstacle = interopObstacle();
        if (obstacle) throw new SetupError(obstacle);
        if (!(await run("sh", [setupFile("interop/torch.sh"), path.dirname(ROOT_FOLDER)])))
          throw new SetupError("Debian's packages for torch could not be had.");
      },
    ),
};

/** The program names its folder: a clone that was moved needs a new one. */
const current = () => digest(read("requirements.txt"), ROOT);

/** @type {Step} */
const transformers = {
  id: "interop-transformers",
  title: "transformers, and what TensorBoard reads its files with, for the same",
  megabytes: 100,
  duration: "10 s",
  isDone: () => isStamped(stampOf("transformers"), current()),
  work: (context) =>
    stamped(stampOf("transformers"), current, async () => {
      const python = debianPython();
      const version = firstLine(python, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], environment());
      if (version === undefined) throw new SetupError(`${python}, which Debian's torch is for, does not start.`);
      fs.rmSync(PACKAGES, { recursive: true, force: true });
      const target = { folder: PACKAGES, python: version };
      await installPinned(context, "interop/requirements.txt", { dependencies: false, target });
      writeProgram(python);
    }),
};

/** @type {Step[]} */
export const interop = [torch, transformers];

/** Debian's Python: that of the packages if they brought one, else the machine's. */
function debianPython() {
  const unpacked = path.join(ROOT_FOLDER, "usr/bin/python3");
  return fs.existsSync(unpacked) ? unpacked : "/usr/bin/python3";
}

/** What makes unpacked packages find each other. @returns {Record<string, string>} */
function environment() {
  const lib = path.join(ROOT_FOLDER, "usr/lib");
  const machineFolders = fs.existsSync(lib) ? fs.readdirSync(lib).filter((name) => name.endsWith("-linux-gnu")) : [];
  const libraries = machineFolders.flatMap((name) => [
    ...["", "blas", "lapack"].map((part) => path.join(lib, name, part)),
    path.join(ROOT_FOLDER, "lib", name),
  ]);
  return {
    LD_LIBRARY_PATH: [...libraries, lib].join(":"),
    PYTHONPATH: [PACKAGES, path.join(lib, "python3/dist-packages")].join(":"),
    PYTHONNOUSERSITE: "1",
  };
}

/** @param {string} python */
function writeProgram(python) {
  const exports = Object.entries(environment()).map(([name, value]) => `export ${name}='${value}'`);
  fs.writeFileSync(PYTHON, ["#!/bin/sh", ...exports, `exec '${python}' "$@"`, ""].join("\n"), { mode: 0o755 });
}
