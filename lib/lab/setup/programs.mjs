/** Programs of the project that commands run in the terminal. */
import { pythonEnvironment } from "./child.mjs";
import { withHugePages } from "../../lory/bin/huge-pages.js";
import { runAsThis } from "../../lory/bin/run-as-this.js";
import { at, ROOT, VENV_PYTHON } from "./places.mjs";

/**
 * Runs a program in the terminal, from the clone's folder.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit status; 128 and the signal's number if a signal ended it
 */
export function runInTerminal(command, args, env) {
  return runAsThis(command, args, { cwd: ROOT, env });
}

/** The command line that runs a TypeScript file by ts-node. @param {string} file @param {readonly string[]} args */
export function typeScript(file, args) {
  return ["--require", at("node_modules/ts-node/register/transpile-only.js"), file, ...args];
}

/** Runs a TypeScript file of the project by ts-node in the terminal. @param {string} file @param {readonly string[]} args */
export function runTypeScript(file, args) {
  return runInTerminal(process.execPath, typeScript(file, args), withHugePages(process.env));
}

/** Runs a module or file by the project's Python in the terminal. @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env] */
export function runPython(args, env) {
  return runInTerminal(VENV_PYTHON, args, withHugePages(pythonEnvironment(env)));
}
