/** `npm run interchange`: records how exported models run in the transformers of LORY_INTEROP_PYTHON, or of `npm run setup -- --interop`. */
import { at } from "../places.mjs";
import { runTypeScript } from "../programs.mjs";

export const run = () => runTypeScript(at("lib/lory/models/hugging-face/transformers/record-interchange.ts"), []);
