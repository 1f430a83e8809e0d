/** `npm run data -- <arguments>`: builds corpora; the arguments are those of lib/lory/data/cli.ts. */
import { at } from "../places.mjs";
import { runTypeScript } from "../programs.mjs";

/** @param {string[]} args */
export function run(args) {
  return runTypeScript(at("lib/lory/data/cli.ts"), args);
}
