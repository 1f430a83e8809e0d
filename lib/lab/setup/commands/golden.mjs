/** `npm run golden`: makes the file of golden losses anew. */
import { at } from "../places.mjs";
import { runTypeScript } from "../programs.mjs";

export const run = () => runTypeScript(at("lib/lory/train/testing/remake-golden-losses.ts"), []);
