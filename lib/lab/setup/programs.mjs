/** Programs of the project that commands run in the terminal. */
import { spawn } from "node:child_process";
import { pythonEnvironment } from "./child.mjs";
import { withHugePages } from "./huge-pages.mjs";
import { at, ROOT, VENV_PYTHON } from "./places.mjs";

/** Signals that the terminal sends to all programs at once, and others that reach this process alone and are passed on. */
const FROM_TERMINAL = "SIGINT";
const PASSED_ON = /** @type {const} */ (["SIGTERM", "SIGHUP"]);
const PARENT_POLL_MS = 500;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGKILL: 9 };

/**
 * Runs a program in the terminal.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit status; 128 and the signal's number if a signal ended it
 */
export function runInTerminal(command, args, env) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: "inherit" });
  const wait = () => undefined;
  /** @param {NodeJS.Signals} signal */
  const pass = (signal) => child.kill(signal);
  // npm's shell does not pass signals on: when npm is ended, this process gets another parent, and ends its program.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && pass("SIGTERM"), PARENT_POLL_MS);
  process.on(FROM_TERMINAL, wait);
  for (const signal of PASSED_ON) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearInterval(watch);
      process.off(FROM_TERMINAL, wait);
      for (const name of PASSED_ON) process.off(name, pass);
      const number = signal ? (SIGNAL_NUMBERS[/** @type {keyof typeof SIGNAL_NUMBERS} */ (signal)] ?? 0) : 0;
      resolve(code ?? 128 + number);
    });
  });
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
