/** XLA's plugins, from PyPI wheels into the project's Python environment. */
import fs from "node:fs";
import path from "node:path";
import { at, setupFile, sitePackages } from "./places.mjs";
import { SetupError } from "./errors.mjs";
import { installPinned } from "./python.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const CPU_MACHINES = ["linux-x64", "linux-arm64"];
const MACHINE = `${process.platform}-${process.arch}`;

/** Why there is no plugin for this machine's processor, as one line; undefined if there is one. */
export const NO_CPU_PLUGIN = CPU_MACHINES.includes(MACHINE)
  ? undefined
  : `XLA has no CPU plugin for ${MACHINE}: training runs on TensorFlow.js' slower wasm backend. The fast one needs Linux.`;

/** A file whose presence says that this clone is for NVIDIA GPUs too: a plain set-up keeps them. */
const CUDA_CHOICE = at(".cache/setup/cuda");

/** Whether the set-up was ever asked for CUDA here. */
export const wantsCuda = () => fs.existsSync(CUDA_CHOICE);

/** Remembers that CUDA is wanted. @throws {SetupError} where there is no plugin for it */
export function chooseCuda() {
  if (process.platform !== "linux") {
    throw new SetupError(`--cuda: the plugin for NVIDIA GPUs exists for Linux only; this is ${MACHINE}.`);
  }
  fs.writeFileSync(CUDA_CHOICE, "");
}

/**
 * @param {string} name of the requirements file
 * @param {Pick<Step, "id" | "title" | "megabytes" | "duration">} announcement
 * @param {boolean} show whether the terminal shows the download
 * @returns {Step}
 */
function plugin(name, announcement, show) {
  const stamp = at(".venv/.lory", name);
  const current = () => digest(fs.readFileSync(setupFile(name)));
  /** @param {import("./step.mjs").Context} context */
  const install = async (context) => {
    forget(name);
    await installPinned(context, name, { dependencies: false, show });
  };
  return {
    ...announcement,
    isDone: () => isStamped(stamp, current()),
    work: (context) => stamped(stamp, current, () => install(context)),
  };
}

/**
 * Removes the records of the packages that a requirements file names: installers would take a package whose installation was
 * interrupted for a whole one.
 * @param {string} name
 */
function forget(name) {
  const packages = fs.readFileSync(setupFile(name), "utf8").match(/^[\w-]+(?===)/gm) ?? [];
  const starts = packages.map((each) => `${each.replaceAll("-", "_")}-`);
  for (const folder of sitePackages()) {
    for (const entry of fs.readdirSync(folder)) {
      const isRecord = entry.endsWith(".dist-info") && starts.some((start) => entry.startsWith(start));
      if (isRecord) fs.rmSync(path.join(folder, entry), { recursive: true });
    }
  }
}

export const cpuPlugin = plugin(
  "requirements-plugin-cpu.txt",
  { id: "plugin-cpu", title: "XLA plugin for the CPU", megabytes: 200, duration: "5 s" },
  false,
);

export const cudaPlugin = plugin(
  "requirements-plugin-cuda.txt",
  {
    id: "plugin-cuda",
    title: "XLA plugin for NVIDIA GPUs with CUDA 13 (a download of 2 GB)",
    megabytes: 5000,
    duration: "2 to 10 min",
  },
  true,
);
