/** `npm run bench -- <name>`: runs lib/.../<name>.bench.ts by ts-node; without a name, lists them. */
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "../errors.mjs";
import { at, WORKSPACES } from "../places.mjs";
import { runTypeScript } from "../programs.mjs";

const ENDING = ".bench.ts";

/** @param {string[]} args */
export function run([name, ...args]) {
  const files = WORKSPACES.flatMap((place) => benchmarks(at(place)));
  const names = files.map((file) => path.basename(file, ENDING)).sort();
  if (name === undefined) {
    console.log(
      names.length ? `Benchmarks: ${names.join(", ")}. Run one: npm run bench -- ${names[0]}` : "No benchmarks.",
    );
    return 0;
  }
  const file = files.find((each) => path.basename(each, ENDING) === name);
  if (!file) throw new SetupError(`There is no benchmark "${name}": ${names.join(", ") || "none is there"}.`);
  return runTypeScript(file, args);
}

/** @param {string} folder @returns {string[]} */
function benchmarks(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) return ["dist", "node_modules"].includes(entry.name) ? [] : benchmarks(place);
    return entry.name.endsWith(ENDING) ? [place] : [];
  });
}
