/**
 * One set-up at a time. The lock is a file that names its holder, so that a holder which was killed is recognized: by its
 * process id and, where the system tells, the time at which that process started (ids are used again).
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** @typedef {{ pid: number, started: string }} Holder a process: its id, and its start time, "" where that is not known */

/** A file without a readable holder is one that is being written, if it is not older than this. */
const WRITING_MS = 2000;
const POLL_MS = 200;

/**
 * Takes the lock, after waiting for those who hold it.
 * @param {string} file
 * @param {(holder: Holder) => void} onWait called once if there is somebody to wait for
 * @returns {Promise<{ note(child: number | undefined): void, release(): void }>} `note` names a process that works for
 *   the holder and keeps the lock when the holder is killed
 */
export async function takeLock(file, onWait) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const own = holder(process.pid);
  let told = false;
  while (!create(file, JSON.stringify([own]))) {
    const text = read(file);
    if (text === undefined) continue;
    const named = holders(text, file);
    const blocking = named?.find(isAlive);
    if (named && !blocking) {
      bury(file, text);
      continue;
    }
    if (blocking && !told) onWait(blocking);
    told ||= blocking !== undefined;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    note(child) {
      try {
        replace(file, JSON.stringify(child === undefined ? [own] : [own, holder(child)]));
      } catch {
        // On a full disk the lock stays as it was, which is enough while this process lives.
      }
    },
    release() {
      fs.rmSync(file, { force: true });
    },
  };
}

/** Whether a holder still runs, and is the process that took the lock. @param {Holder} holder */
export function isAlive({ pid, started }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH") return false;
  }
  return started === "" || startTime(pid) === started;
}

/** A running process as a holder. @param {number} pid @returns {Holder} */
export function holder(pid) {
  return { pid, started: startTime(pid) };
}

/** When a process started, as the system writes it; "" if it does not tell. @param {number} pid */
function startTime(pid) {
  try {
    if (process.platform === "linux") {
      // Field 22 of proc(5)'s stat; the second, the program's name, may hold spaces and ends with the last parenthesis.
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [state, ticks] = [fields[0], fields[19]];
      return state === "Z" ? "ended" : (ticks ?? "");
    }
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

/**
 * The processes that a lock's text names: none if it is damaged, undefined if it may be still being written.
 * @param {string} text
 * @param {string} file
 * @returns {Holder[] | undefined}
 */
function holders(text, file) {
  try {
    return JSON.parse(text);
  } catch {
    const age = Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return age < WRITING_MS ? undefined : [];
  }
}

/** Writes the file if there is none. @param {string} file @param {string} text @returns {boolean} whether there was none */
function create(file, text) {
  try {
    fs.writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} file @param {string} text */
function replace(file, text) {
  const next = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(next, text);
    fs.renameSync(next, file);
  } finally {
    fs.rmSync(next, { force: true });
  }
}

/** @param {string} file @returns {string | undefined} undefined if there is no file */
function read(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Removes a dead holder's lock. Of several who try, one renames it; a lock taken by somebody since it was read is put back.
 * @param {string} file @param {string} text what the dead holder wrote
 */
function bury(file, text) {
  const grave = `${file}.${process.pid}.stale`;
  try {
    fs.renameSync(file, grave);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return;
    throw error;
  }
  const buried = read(grave);
  if (buried !== undefined && buried !== text) create(file, buried);
  fs.rmSync(grave, { force: true });
}
