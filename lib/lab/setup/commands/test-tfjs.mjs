/** `npm run test:tfjs [-- filters]`: tfjs-core's own test suite on the backend `xla`, and its counts as the last line. */
import { at } from "../places.mjs";
import { runTypeScript } from "../programs.mjs";

/** @param {string[]} args */
export function run(args) {
  return runTypeScript(at("lib/tfjs-backend-xla/conformance/run.ts"), args);
}
