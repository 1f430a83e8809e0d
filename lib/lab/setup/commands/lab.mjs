/** `npm run lab [-- arguments]`: JupyterLab on the notebooks; further arguments are JupyterLab's own. */
import { ROOT } from "../places.mjs";
import { runPython } from "../programs.mjs";

/** @param {string[]} args */
export function run(args) {
  return runPython(["-m", "jupyterlab", ...labArguments(args, process.getuid?.() === 0)]);
}

/**
 * What JupyterLab is started with; what the user gives comes last and wins.
 * @param {readonly string[]} args
 * @param {boolean} isRoot
 */
export function labArguments(args, isRoot) {
  return [
    `--ServerApp.root_dir=${ROOT}`,
    "--LabApp.default_url=/lab/tree/notebooks",
    ...(isRoot && !args.includes("--allow-root") ? ["--allow-root"] : []),
    ...args,
  ];
}
