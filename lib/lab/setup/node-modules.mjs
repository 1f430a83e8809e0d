/** npm's packages, exactly as package-lock.json lists them. */
import fs from "node:fs";
import path from "node:path";
import { onPath } from "./child.mjs";
import { SetupError } from "./errors.mjs";
import { at } from "./places.mjs";
import { checkNotFull } from "./step.mjs";

/** @typedef {{ version?: string, integrity?: string, resolved?: string, link?: boolean, optional?: boolean, devOptional?: boolean }} Entry */
/** @typedef {{ packages?: Record<string, Entry> }} LockFile */

/** npm's own list of what is installed, written when an installation is complete. */
const INSTALLED = at("node_modules/.package-lock.json");

/** @type {import("./step.mjs").Step} */
export const nodeModules = {
  id: "npm",
  title: "npm packages (npm ci)",
  megabytes: 460,
  duration: "15 s",
  isDone() {
    const installed = readLock(INSTALLED);
    const wanted = readLock(at("package-lock.json"));
    return installed !== undefined && wanted !== undefined && differences(wanted, installed).length === 0;
  },
  async work({ run }) {
    const [command, ...args] = npm() ?? [];
    if (command === undefined) {
      throw new SetupError(
        "There is no npm on PATH. It comes with Node.js (nodejs.org); Debian, Ubuntu: sudo apt install npm.",
      );
    }
    // Whatever NODE_ENV says: the compiler and the test runner are development dependencies.
    const flags = ["--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
    if (!(await run(command, [...args, "ci", ...flags]))) throw new SetupError("npm ci failed.");
    try {
      checkNotFull();
    } catch (error) {
      fs.rmSync(INSTALLED, { force: true });
      throw error;
    }
  },
};

/**
 * Paths of packages that the lock file wants and that are not installed so. Packages for other platforms may be missing.
 * @param {LockFile} wanted package-lock.json
 * @param {LockFile} installed
 * @param {(place: string) => boolean} exists whether a package's folder is there
 */
export function differences(wanted, installed, exists = (place) => fs.existsSync(at(place))) {
  const present = installed.packages ?? {};
  return Object.entries(wanted.packages ?? {})
    .filter(([place]) => place.startsWith("node_modules/") || place.includes("/node_modules/"))
    .filter(([place, entry]) => {
      const found = present[place];
      if (!found) return !entry.optional && !entry.devOptional;
      const same = found.version === entry.version && found.integrity === entry.integrity && found.link === entry.link;
      return !same || !exists(place);
    })
    .map(([place]) => place);
}

/**
 * How to start npm: as the npm that started this program, else as the one on PATH; undefined if there is none.
 * @returns {[string, ...string[]] | undefined}
 */
export function npm() {
  const script = process.env.npm_execpath;
  if (script && path.basename(script) === "npm-cli.js" && fs.existsSync(script)) return [process.execPath, script];
  const program = onPath("npm");
  return program === undefined ? undefined : [program];
}

/** @param {string} file @returns {LockFile | undefined} undefined if there is none that can be read */
function readLock(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
