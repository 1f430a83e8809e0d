/** Where things are: everything that the set-up makes lies under the clone. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The clone's folder. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

/** A path in the clone. @param {string[]} parts */
export const at = (...parts) => path.join(ROOT, ...parts);

/** A path in the set-up's own folder. @param {string[]} parts */
export const setupFile = (...parts) => at("lib/lab/setup", ...parts);

/** The project's Python environment. */
export const VENV = at(".venv");

/** The environment's Python. */
export const VENV_PYTHON = path.join(VENV, "bin/python");

/** Where the environment keeps its packages; none before it is made. */
export function sitePackages() {
  const lib = path.join(VENV, "lib");
  if (!fs.existsSync(lib)) return [];
  return fs
    .readdirSync(lib)
    .map((version) => path.join(lib, version, "site-packages"))
    .filter((folder) => fs.existsSync(folder));
}

/** What the backend `tensorflow` runs on: a folder a variant. */
export const TENSORFLOW = at(".cache/tensorflow");

/** What the tests of exchanged models run on. */
export const INTEROP = at(".cache/interop");

/** Packages that embed documents by models. */
export const EMBEDDINGS = at(".cache/embeddings-packages");

/** Logs, locks and choices of the set-up. */
export const STATE = at(".cache/setup");

/** The npm workspaces, in the order in which they build on each other. */
export const WORKSPACES = ["lib/tfjs-backend-xla", "lib/lory", "lib/lab"];
