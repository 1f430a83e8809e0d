/**
 * The backend `tensorflow`: npm's tfjs-node (or tfjs-node-gpu), whose own installer downloads a TensorFlow of 2022. Here its
 * unmodified native sources, which use TensorFlow's C API alone, are compiled against PyPI's wheel of today. Python is needed
 * to install that wheel, not to run it. The variant for GPUs is built by the same code; it has not been run on a GPU.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { onPath } from "./child.mjs";
import { SetupError } from "./errors.mjs";
import { npm } from "./node-modules.mjs";
import { at, setupFile, TENSORFLOW } from "./places.mjs";
import { installPinned } from "./python.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

/** @typedef {"cpu" | "gpu"} Variant */
/** @typedef {import("./step.mjs").Step} Step */

const PACKAGES = { cpu: "@tensorflow/tfjs-node", gpu: "@tensorflow/tfjs-node-gpu" };
const NAMES = { cpu: "TensorFlow", gpu: "TensorFlow for NVIDIA GPUs with CUDA 12" };
const FLAGS = { cpu: "--tensorflow", gpu: "--tensorflow-gpu" };
/** Wheels are made for a version of Python; the libraries in them are the same. */
const WHEEL_PYTHON = "3.12";
/** The version of Node's C API that the sources are written for. */
const NAPI_VERSION = 8;
const MACHINES = ["linux-x64", "linux-arm64"];
/** A process has one tfjs-core: of what npm installs beside tfjs-node, these give way to the clone's own. */
const SHARED = ["tfjs-core", "tfjs-layers", "tfjs-backend-cpu"];

/** @type {readonly Variant[]} */
export const VARIANTS = ["cpu", "gpu"];

/** The argument of `npm run setup` that asks for a variant. @param {Variant} variant */
export const tensorflowFlag = (variant) => FLAGS[variant];

/** A file whose presence says that this clone has the variant: a plain set-up keeps it up to date. @param {Variant} variant */
const choice = (variant) => at(".cache/setup", `tensorflow-${variant}`);

/** Whether a set-up of the variant succeeded here. @param {Variant} variant */
export const hasTensorflow = (variant) => fs.existsSync(choice(variant));

/** Remembers that the variant is here. @param {Variant} variant */
export const keepTensorflow = (variant) => fs.writeFileSync(choice(variant), "");

/**
 * Why the variant cannot be built on this machine, as one line; undefined if it can.
 * @param {Variant} variant
 * @param {{ machine?: string, compiler?: string }} [given] this machine's, if not given
 */
export function tensorflowObstacle(
  variant,
  { machine = `${process.platform}-${process.arch}`, compiler = onPath("g++") } = {},
) {
  const flag = FLAGS[variant];
  if (!MACHINES.includes(machine))
    return `${flag}: TensorFlow is set up on ${MACHINES.join(" and ")} only; this is ${machine}.`;
  if (!compiler)
    return `${flag}: tfjs-node's native part is compiled with g++, and none is on PATH. Debian, Ubuntu: sudo apt install g++.`;
  return undefined;
}

/** The steps for a variant, in order. @param {Variant} variant @returns {Step[]} */
export function tensorflow(variant) {
  const folder = path.join(TENSORFLOW, variant);
  const wheels = path.join(folder, "wheels");
  const library = path.join(wheels, "tensorflow");
  const packageFolder = path.join(folder, "node_modules", PACKAGES[variant]);
  const source = (/** @type {string} */ name) => setupFile(`tensorflow-${variant}`, name);
  const read = (/** @type {string[]} */ ...names) => digest(...names.map((name) => fs.readFileSync(source(name))));

  return [
    made({
      id: `tensorflow-${variant}-wheel`,
      title: variant === "cpu" ? "TensorFlow (a download of 270 MB)" : `${NAMES.gpu} (a download of 3 GB)`,
      megabytes: variant === "cpu" ? 1350 : 7500,
      duration: variant === "cpu" ? "15 s to 1 min" : "2 to 10 min",
      current: () => read("requirements.txt"),
      stamp: path.join(wheels, ".lory"),
      async work(context) {
        fs.rmSync(wheels, { recursive: true, force: true });
        await installPinned(context, `tensorflow-${variant}/requirements.txt`, {
          dependencies: false,
          show: variant === "gpu",
          target: { folder: wheels, python: WHEEL_PYTHON },
        });
      },
    }),
    made({
      id: `tensorflow-${variant}-npm`,
      title: `${PACKAGES[variant]} without its installer (npm ci)`,
      megabytes: 290,
      duration: "10 s",
      current: () => read("package.json", "package-lock.json"),
      stamp: path.join(folder, "node_modules/.lory"),
      async work({ run }) {
        for (const name of ["package.json", "package-lock.json"])
          fs.copyFileSync(source(name), path.join(folder, name));
        const [command = "npm", ...args] = npm() ?? [];
        const flags = ["--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        if (!(await run(command, [...args, "ci", ...flags])))
          throw new SetupError(`${PACKAGES[variant]} could not be installed.`);
        for (const name of SHARED)
          fs.rmSync(path.join(folder, "node_modules/@tensorflow", name), { recursive: true, force: true });
      },
    }),
    made({
      id: `tensorflow-${variant}-native`,
      title: `${PACKAGES[variant]}'s native part (g++)`,
      megabytes: 1,
      duration: "10 s",
      current: () =>
        digest(read("requirements.txt", "package-lock.json"), fs.readFileSync(setupFile("tensorflow.mjs"))),
      stamp: path.join(packageFolder, "lib/.lory"),
      async work({ run }) {
        const obstacle = tensorflowObstacle(variant);
        if (obstacle) throw new SetupError(obstacle);
        const binding = bindingFile(packageFolder);
        fs.mkdirSync(path.dirname(binding), { recursive: true });
        if (!(await run("g++", compilation(folder, packageFolder, library, binding))))
          throw new SetupError(`${PACKAGES[variant]}'s native sources do not compile against TensorFlow.`);
      },
    }),
  ];
}

/**
 * A step with its stamp.
 * @param {Omit<Step, "isDone"> & { stamp: string, current: () => string }} step
 * @returns {Step}
 */
function made({ stamp, current, work, ...announcement }) {
  return {
    ...announcement,
    isDone: () => isStamped(stamp, current()),
    work: (context) =>
      stamped(stamp, current, async () => {
        fs.mkdirSync(TENSORFLOW, { recursive: true });
        await work(context);
      }),
  };
}

/** Where tfjs-node looks for its native part: it asks node-pre-gyp. @param {string} packageFolder @returns {string} */
function bindingFile(packageFolder) {
  const load = createRequire(path.join(packageFolder, "package.json"));
  return load("@mapbox/node-pre-gyp").find(path.join(packageFolder, "package.json"));
}

/**
 * The compiler's arguments. Libraries are found by the binding's place relative to them, so that a clone can be moved.
 * @param {string} folder of the variant
 * @param {string} packageFolder
 * @param {string} library
 * @param {string} binding
 */
function compilation(folder, packageFolder, library, binding) {
  const folders = [library, ...nvidiaLibraries(path.dirname(library))];
  const runPaths = folders.map((each) => `-Wl,-rpath,$ORIGIN/${path.relative(path.dirname(binding), each)}`);
  return [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", `-DNAPI_VERSION=${NAPI_VERSION}`],
    `-I${path.join(folder, "node_modules/node-api-headers/include")}`,
    `-I${path.join(library, "include")}`,
    path.join(packageFolder, "binding/tfjs_backend.cc"),
    path.join(packageFolder, "binding/tfjs_binding.cc"),
    ...[`-L${library}`, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
    // The older kind of path, which holds for what TensorFlow loads by itself too: CUDA's libraries.
    ...["-Wl,--disable-new-dtags", ...runPaths],
    ...["-o", binding],
  ];
}

/** The folders of CUDA's libraries; none for the processor's variant. @param {string} wheels */
function nvidiaLibraries(wheels) {
  const nvidia = path.join(wheels, "nvidia");
  if (!fs.existsSync(nvidia)) return [];
  return fs
    .readdirSync(nvidia)
    .map((name) => path.join(nvidia, name, "lib"))
    .filter((folder) => fs.existsSync(folder));
}
