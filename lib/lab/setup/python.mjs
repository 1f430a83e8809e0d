/** The project's Python environment: JupyterLab and the headless runner, each package pinned by version and hash. */
import fs from "node:fs";
import { at, ROOT, setupFile, VENV, VENV_PYTHON } from "./places.mjs";
import { onPath, pythonEnvironment, succeeds } from "./child.mjs";
import { SetupError } from "./errors.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

/** @typedef {import("./step.mjs").Context} Context */

const STAMP = at(".venv/.lory/packages");
const REQUIREMENTS = setupFile("requirements.txt");
/** The Pythons that the pinned packages have wheels for: from the first up to, and without, the second. */
const OLDEST = [3, 10];
const TOO_NEW = [3, 15];
const CANDIDATES = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];

/** Scripts in the environment name its folder: a clone that was moved needs a new one. */
const current = () => digest(fs.readFileSync(REQUIREMENTS), ROOT);

/** @type {import("./step.mjs").Step} */
export const pythonPackages = {
  id: "python",
  title: "Python environment with JupyterLab (.venv)",
  megabytes: 250,
  duration: "30 s",
  isDone: () => isStamped(STAMP, current()) && fs.existsSync(VENV_PYTHON),
  work: (context) =>
    stamped(STAMP, current, async () => {
      try {
        await makeEnvironment(context);
        await installPinned(context, "requirements.txt");
      } catch (error) {
        fs.rmSync(VENV, { recursive: true, force: true });
        throw error;
      }
    }),
};

/**
 * Installs a file of pinned requirements: wheels only, each checked against its hash.
 * @param {Context} context
 * @param {string} name of the file in the set-up's folder
 * @param {{ dependencies?: boolean, show?: boolean, target?: { folder: string, python: string } }} [options]
 *   `dependencies`: false takes the listed packages alone; `target`: a folder instead of the environment, for a version of Python
 */
export async function installPinned({ run }, name, { dependencies = true, show = false, target } = {}) {
  const [command, ...args] = installer();
  const flags = [
    ...["--require-hashes", "--only-binary", ":all:"],
    ...(dependencies ? [] : ["--no-deps"]),
    ...(target ? ["--target", target.folder, "--python-version", target.python] : []),
  ];
  const env = pythonEnvironment({
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_INPUT: "1",
    UV_NO_PROGRESS: show ? "0" : "1",
  });
  if (await run(command, [...args, ...flags, "-r", setupFile(name)], { env, show })) return;
  throw new SetupError(`The packages of lib/lab/setup/${name} could not be installed.`);
}

/** The beginning of an install command: uv, the environment's pip, or another Python's. @returns {string[]} */
function installer() {
  const uv = onPath("uv");
  if (uv) return [uv, "pip", "install", "--python", VENV_PYTHON];
  if (succeeds(VENV_PYTHON, ["-m", "pip", "--version"])) return [VENV_PYTHON, "-m", "pip", "install"];
  const python = pythons().find(hasPip);
  if (python) return [python, "-m", "pip", "--python", VENV_PYTHON, "install"];
  throw new SetupError("Neither uv nor a pip is there any more: remove the folder .venv, then run this again.");
}

/** @param {Context} context */
async function makeEnvironment({ run }) {
  /** An attempt that fails leaves half a folder. @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [more] */
  const attempt = async (command, args, more) => {
    fs.rmSync(VENV, { recursive: true, force: true });
    return run(command, args, { env: pythonEnvironment(more) });
  };
  const uv = onPath("uv");
  // A Python that uv has to fetch stays in the clone.
  const place = { UV_PYTHON_INSTALL_DIR: at(".cache/python") };
  if (
    uv &&
    (await attempt(
      uv,
      ["venv", "--no-project", "--python", `>=${OLDEST.join(".")},<${TOO_NEW.join(".")}`, VENV],
      place,
    ))
  )
    return;

  const found = pythons();
  for (const python of found) {
    if (await attempt(python, ["-m", "venv", VENV])) return;
    if (hasPip(python) && (await attempt(python, ["-m", "venv", "--without-pip", VENV]))) return;
  }
  throw new SetupError(
    found[0]
      ? `${found[0]} cannot make an environment. Install its venv module (Debian, Ubuntu: sudo apt install python3-venv) or uv (docs.astral.sh/uv).`
      : `Python 3.10 to 3.14 is needed for JupyterLab and none is on PATH. Install one (Debian, Ubuntu: sudo apt install python3 python3-venv) or uv (docs.astral.sh/uv).`,
  );
}

/** The Pythons on PATH that the packages have wheels for. */
function pythons() {
  const test = `import sys; sys.exit(not (${OLDEST.join(", ")}) <= sys.version_info < (${TOO_NEW.join(", ")}))`;
  const files = CANDIDATES.map(onPath).filter((file) => file !== undefined);
  return [...new Set(files)].filter((file) => succeeds(file, ["-c", test], pythonEnvironment()));
}

/** Whether a Python has a pip that installs for others (22.3 and newer). @param {string} python */
function hasPip(python) {
  return succeeds(python, ["-m", "pip", "--python", python, "--version"], pythonEnvironment());
}
