/**
 * A step of the set-up is done when its stamp holds the digest of what it was made from. The stamp lies in the folder that
 * the step makes, is removed before the work starts and written after it succeeded: an interrupted step is started again.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { SetupError } from "./errors.mjs";
import { ROOT } from "./places.mjs";

/**
 * @typedef {object} Step
 * @property {string} id names its log
 * @property {string} title what it makes, as announced
 * @property {number} megabytes what it adds to the disk
 * @property {string} duration how long it takes on a usual machine and network
 * @property {() => boolean} isDone cheap
 * @property {(context: Context) => Promise<void>} work makes it from whatever an interrupted try has left
 */

/**
 * @typedef {object} Context
 * @property {(command: string, args: readonly string[], options?: import("./child.mjs").RunOptions) => Promise<boolean>} run
 *   runs a program, its output into the step's log; whether it succeeded
 */

/** Room that is asked for beside a step's own megabytes: unpacking, logs, other programs. */
const SPARE_MEGABYTES = 50;
/** A disk with less free space than this may have refused something. */
const FULL_MEGABYTES = 2;

/** Digest of texts, numbers and files' contents. @param {readonly (string | Buffer)[]} parts */
export function digest(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(String(part.length)).update(":").update(part);
  return hash.digest("hex");
}

/** Whether the stamp says that it was made from this. @param {string} stamp @param {string} expected */
export function isStamped(stamp, expected) {
  try {
    return fs.readFileSync(stamp, "utf8") === expected;
  } catch {
    return false;
  }
}

/**
 * Does the work between removing the stamp and writing it.
 * @param {string} stamp
 * @param {() => string} current digest of what it is made from; asked before the work, so that a change meanwhile shows
 * @param {() => Promise<void>} work
 */
export async function stamped(stamp, current, work) {
  fs.rmSync(stamp, { force: true });
  const made = current();
  await work();
  checkNotFull();
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  const unfinished = `${stamp}.new`;
  fs.writeFileSync(unfinished, made);
  fs.renameSync(unfinished, stamp);
}

/** Megabytes free for this user on the clone's disk. */
export function freeMegabytes() {
  const { bavail, bsize } = fs.statfsSync(ROOT);
  return Math.floor((bavail * bsize) / 1e6);
}

/** @throws {SetupError} if the disk is full: some programs, npm for one, then leave files cut short and report success */
export function checkNotFull() {
  if (freeMegabytes() < FULL_MEGABYTES) throw new SetupError(`The disk of ${ROOT} is full. Free some space.`);
}

/** @param {Step} step @throws {SetupError} if the disk has no room for it */
export function checkRoom({ title, megabytes }) {
  const free = freeMegabytes();
  if (free >= megabytes + SPARE_MEGABYTES) return;
  throw new SetupError(
    `${title}: ${megabytes} MB are needed and ${free} MB are free in ${ROOT}. Free some space, then run this again.`,
  );
}
