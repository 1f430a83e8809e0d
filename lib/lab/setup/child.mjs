/** Programs that the set-up runs. */
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { ROOT } from "./places.mjs";

/** @typedef {{ env?: NodeJS.ProcessEnv, show?: boolean }} RunOptions `show`: its output goes to the terminal, not to the log */

/** What a user may have set for another Python or pip, and what would lead ours astray. */
const FOREIGN_PYTHON = [
  "PYTHONHOME",
  "PYTHONPATH",
  "PIP_TARGET",
  "PIP_PREFIX",
  "PIP_REQUIRE_VIRTUALENV",
  "VIRTUAL_ENV",
];

/** The environment for Python and pip of the project. @param {NodeJS.ProcessEnv} [extra] @returns {NodeJS.ProcessEnv} */
export function pythonEnvironment(extra) {
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, PIP_USER: "0", ...extra };
  for (const name of FOREIGN_PYTHON) delete env[name];
  return env;
}

/** Whether a program can be started and ends well. @param {string} command @param {readonly string[]} args */
export function succeeds(command, args, env = process.env) {
  return spawnSync(command, args, { stdio: "ignore", env }).status === 0;
}

/** The first line that a program prints, undefined if it fails. @param {string} command @param {readonly string[]} args */
export function firstLine(command, args, env = process.env) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", env });
  return status === 0 ? stdout.trim().split("\n")[0] : undefined;
}

/** The program file that a name on PATH stands for. @param {string} name @returns {string | undefined} */
export function onPath(name) {
  return (process.env.PATH ?? "")
    .split(path.delimiter)
    .filter(Boolean)
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
      } catch {
        return false;
      }
    });
}

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

/**
 * Runs a program to its end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {number} log file descriptor that takes its output
 * @param {(pid: number | undefined) => void} onStart told the process id, and undefined at the end
 * @param {RunOptions} options
 * @returns {Promise<boolean>} whether it ended well
 */
export async function runLogged(command, args, log, onStart, { env, show = false }) {
  fs.writeSync(log, `$ ${[command, ...args].join(" ")}\n`);
  const output = show ? "inherit" : log;
  // A process group of its own, so that what it starts can be ended with it.
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ["ignore", output, output], detached: true });
  running.add(child);
  try {
    return await new Promise((resolve) => {
      child.once("error", (error) => {
        fs.writeSync(log, `${error.message}\n`);
        resolve(false);
      });
      child.once("close", (code) => resolve(code === 0));
      onStart(child.pid);
    });
  } finally {
    running.delete(child);
    onStart(undefined);
  }
}

/** Ends the programs that run, and what they have started. */
export function endPrograms() {
  for (const { pid } of running) if (pid !== undefined) process.kill(-pid, "SIGTERM");
}

/**
 * The lines of a log that say what went wrong: from the first that names an error, else the last ones. Stack frames, which
 * npm's errors carry, and empty lines are left out.
 * @param {string} log
 * @param {number} count at most so many
 */
export function failureLines(log, count) {
  const noise = /^\$ |^(npm error)?\s*$|^(npm error\s+)?\s*at .*[:)]/;
  const lines = log.split("\n").filter((line) => !noise.test(line));
  const first = lines.findIndex((line) => /error/i.test(line));
  return first < 0 ? lines.slice(-count) : lines.slice(first, first + count);
}
