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
