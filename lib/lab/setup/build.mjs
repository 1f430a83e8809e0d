/** The library as JavaScript: what notebooks, the kernel and scripts load. */
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "./errors.mjs";
import { at, WORKSPACES } from "./places.mjs";
import { digest, isStamped, stamped } from "./step.mjs";

const STAMP = at(".cache/setup/build");
const NOT_SOURCES = new Set(["dist", "node_modules"]);

/** @type {import("./step.mjs").Step} */
export const build = {
  id: "build",
  title: "The library (tsc -b)",
  megabytes: 10,
  duration: "10 s",
  isDone: () => isStamped(STAMP, current()) && WORKSPACES.every((place) => fs.existsSync(at(place, "dist/index.js"))),
  work: ({ run }) =>
    stamped(STAMP, current, async () => {
      if (!(await run(process.execPath, [at("node_modules/typescript/bin/tsc"), "-b", ...WORKSPACES]))) {
        throw new SetupError("The library does not compile.");
      }
      for (const place of WORKSPACES) removeOrphans(path.join(place, "dist"), place);
    }),
};

/** Digest of the sources' names, sizes and times: reading 100 folders takes milliseconds, asking the compiler seconds. */
function current() {
  const files = ["tsconfig.json", "package-lock.json", ...WORKSPACES.flatMap((place) => sources(place))];
  return digest(
    ...files.map((file) => {
      const { size, mtimeMs } = fs.statSync(at(file));
      return `${file} ${size} ${mtimeMs}`;
    }),
  );
}

/** TypeScript sources and configurations under a folder. @param {string} folder @returns {string[]} */
function sources(folder) {
  return fs.readdirSync(at(folder), { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) return NOT_SOURCES.has(entry.name) ? [] : sources(place);
    return /\.(ts|json)$/.test(entry.name) ? [place] : [];
  });
}

/**
 * Takes away what was compiled from sources that are gone, which the compiler leaves: it would be packed, and be loaded by a name that no longer is.
 * @param {string} compiled a folder of compiled files @param {string} folder where their sources are
 */
function removeOrphans(compiled, folder) {
  for (const entry of fs.readdirSync(at(compiled), { withFileTypes: true })) {
    const place = path.join(compiled, entry.name);
    if (entry.isDirectory()) {
      removeOrphans(place, path.join(folder, entry.name));
      if (fs.readdirSync(at(place)).length === 0) fs.rmdirSync(at(place));
      continue;
    }
    const [, name] = /^(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(entry.name) ?? [];
    if (name !== undefined && !fs.existsSync(at(folder, `${name}.ts`))) fs.rmSync(at(place));
  }
}
