// In JavaScript, since it is of use before anything is compiled.
const { spawn } = require("node:child_process");

/** What reaches this process alone is passed on; what the terminal sends reaches all programs of it at once. */
const PASSED_ON = /** @type {const} */ (["SIGTERM", "SIGHUP"]);
const FROM_TERMINAL = "SIGINT";
const PARENT_POLL_MS = 500;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGKILL: 9 };

/**
 * Runs a program in this one's place: with its terminal, and with the signals that it gets.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, passInterrupts?: boolean }} options `passInterrupts`: for a program that takes a SIGINT which
 *   comes from the terminal and from here for one
 * @returns {Promise<number>} its exit status; 128 and the signal's number if a signal ended it
 */
function runAsThis(command, args, { cwd, env, passInterrupts = false }) {
  const child = spawn(command, args, { cwd, env, stdio: "inherit" });
  /** @param {NodeJS.Signals} signal */
  const pass = (signal) => child.kill(signal);
  const interrupt = passInterrupts ? pass : () => undefined;
  // npm's shell does not pass signals on: when npm is ended, this process gets another parent, and ends its program.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && isOfNpm() && pass("SIGTERM"), PARENT_POLL_MS);
  process.on(FROM_TERMINAL, interrupt);
  for (const signal of PASSED_ON) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearInterval(watch);
      process.off(FROM_TERMINAL, interrupt);
      for (const name of PASSED_ON) process.off(name, pass);
      const number = signal ? (SIGNAL_NUMBERS[/** @type {keyof typeof SIGNAL_NUMBERS} */ (signal)] ?? 0) : 0;
      resolve(code ?? 128 + number);
    });
  });
}

/** Whether npm or npx started this: a program that a shell leaves to itself as it ends is to go on. */
function isOfNpm() {
  return process.env.npm_command !== undefined;
}

module.exports = { runAsThis };
