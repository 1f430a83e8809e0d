import { EMBEDDINGS_FLAG } from "./embeddings.mjs";
import { SetupError } from "./errors.mjs";
import { INTEROP_FLAG } from "./interop.mjs";
import { tensorflowFlag, VARIANTS } from "./tensorflow.mjs";

/** @typedef {import("./tensorflow.mjs").Variant} Variant */

export const USAGE = `Usage: npm run setup [-- --cuda --tensorflow]

Installs what Lory needs inside this folder: npm packages, a Python environment with JupyterLab and XLA's plugin,
the compiled library, the notebook kernel. What is up to date is left alone.

  --cuda            also install the plugin and libraries for NVIDIA GPUs (Linux; a download of about 2 GB)
  --tensorflow      also compile the backend tensorflow, tfjs-node on today's TensorFlow (Linux, g++; a download of 300 MB)
  --tensorflow-gpu  the same for NVIDIA GPUs, not tried on one yet (a download of 3 GB)
  --embeddings      also install encoders that embed documents for similarity batching (npm packages of 100 MB)
  --interop         also unpack Debian's torch and a transformers, which the tests of exchanged models use (160 MB)
  --help            print this text`;

const KNOWN = ["--cuda", "--tensorflow", "--tensorflow-gpu", "--embeddings", "--interop", "--help", "-h"];

/**
 * What the command line asks for.
 * @param {readonly string[]} args
 * @returns {{ cuda: boolean, tensorflow: Variant[], embeddings: boolean, interop: boolean, help: boolean }}
 * @throws {SetupError} for an argument that is not known
 */
export function parseArguments(args) {
  const unknown = args.find((arg) => !KNOWN.includes(arg));
  if (unknown !== undefined) {
    throw new SetupError(
      `The set-up knows no argument "${unknown}": it takes --cuda, --tensorflow, --tensorflow-gpu, --embeddings, --interop and --help (npm run setup -- --help).`,
    );
  }
  const tensorflow = VARIANTS.filter((variant) => args.includes(tensorflowFlag(variant)));
  const has = (/** @type {string} */ arg) => args.includes(arg);
  const help = has("--help") || has("-h");
  return { cuda: has("--cuda"), tensorflow, embeddings: has(EMBEDDINGS_FLAG), interop: has(INTEROP_FLAG), help };
}
