import { SetupError } from "./errors.mjs";

export const USAGE = `Usage: npm run setup [-- --cuda]

Installs what Lory needs inside this folder: npm packages, a Python environment with JupyterLab and XLA's plugin,
the compiled library, the notebook kernel. What is up to date is left alone.

  --cuda   also install the plugin and libraries for NVIDIA GPUs (Linux; a download of about 2 GB)
  --help   print this text`;

/**
 * What the command line asks for.
 * @param {readonly string[]} args
 * @returns {{ cuda: boolean, help: boolean }}
 * @throws {SetupError} for an argument that is not known
 */
export function parseArguments(args) {
  const unknown = args.find((arg) => !["--cuda", "--help", "-h"].includes(arg));
  if (unknown !== undefined) {
    throw new SetupError(
      `The set-up knows no argument "${unknown}": it takes --cuda and --help (npm run setup -- --help).`,
    );
  }
  return { cuda: args.includes("--cuda"), help: args.includes("--help") || args.includes("-h") };
}
