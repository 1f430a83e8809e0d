/** `npm run doctor`: what is here, what is missing, and the command that mends it. Installs nothing; works in a bare clone. */
import os from "node:os";
import { SetupError } from "../errors.mjs";
import { browser } from "../doctor/browser.mjs";
import { devices } from "../doctor/devices.mjs";
import { machine } from "../doctor/machine.mjs";
import { parts } from "../doctor/parts.mjs";
import { tensorflow } from "../doctor/tensorflow.mjs";
import { ROOT } from "../places.mjs";
import { isDone, steps } from "../set-up.mjs";

/**
 * @typedef {object} Finding
 * @property {"ok" | "note" | "missing"} state `note`: could be better, or is optional
 * @property {string} text
 * @property {string} [mend] what mends or adds it
 */

const MARKS = { ok: "ok     ", note: "-      ", missing: "MISSING" };

/** @param {string[]} args */
export async function run(args) {
  if (args.length) throw new SetupError(`npm run doctor takes no arguments; it was given ${args.join(" ")}.`);
  console.log(`Lory in ${ROOT}, ${os.type()} ${os.release()} ${os.arch()}`);
  const missing = [
    ...show("Machine", machine()),
    ...show("Set-up", setUpState()),
    ...show("Parts", parts()),
    ...show("Devices", await devices()),
    ...show("Other backends", await tensorflow()),
    ...show("Figure export", await browser()),
  ].filter(({ state }) => state === "missing");
  const commands = [...new Set(missing.map(({ mend }) => mend))];
  console.log(
    missing.length
      ? `\nTo mend what is missing:\n${commands.map((one) => `  ${one}`).join("\n")}`
      : "\nNothing is missing.",
  );
  return missing.length ? 1 : 0;
}

/** @param {string} title @param {Finding[]} findings */
function show(title, findings) {
  console.log(`\n${title}`);
  for (const { state, text, mend } of findings) {
    const advice = mend && state !== "ok" ? ` -> ${mend}` : "";
    console.log(`  ${MARKS[state]} ${text}${advice}`);
  }
  return findings;
}

/** The set-up's steps. @returns {Finding[]} */
function setUpState() {
  return steps().map((step) =>
    isDone(step)
      ? { state: "ok", text: step.title }
      : { state: "missing", text: `${step.title}: not done, or not up to date`, mend: "npm run setup" },
  );
}
