/** Programs that say what native code says of itself: on their own, since a broken library can end the process that loads it. */
import { spawn } from "node:child_process";
import { withHugePages } from "../../../lory/bin/huge-pages.js";
import { ROOT, setupFile } from "../places.mjs";
import { typeScript } from "../programs.mjs";

const TIMEOUT_MS = 90_000;

/**
 * The report that a program of this folder prints, as one line of JSON.
 * @param {string} program file in this folder
 * @param {readonly string[]} args
 * @param {string} loaded what it loads, for the message
 * @returns {Promise<unknown>} `{ problem, installed: true }` if it ended without a report
 */
export function ask(program, args, loaded) {
  const child = spawn(process.execPath, typeScript(setupFile("doctor", program), args), {
    cwd: ROOT,
    env: withHugePages(process.env),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  let complaints = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (complaints += data));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const answer = output.split("\n").find((line) => line.startsWith("{"));
      if (answer) return resolve(JSON.parse(answer));
      const reason = complaints.split("\n").find((line) => /Error|rror:/.test(line)) ?? "";
      const problem = `${loaded} ended the program that asked it (${signal ?? `status ${code}`}). ${reason}`.trim();
      resolve({ problem, installed: true });
    });
  });
}
