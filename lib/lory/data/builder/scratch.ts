import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import path from "node:path";
import { systemCode } from "../corpus-error";

/**
 * A new folder `<parent>/.tmp/<label>-<process>-<random>` for files that are moved to their place when they are whole.
 * Folders of the same label that processes left which no longer run are removed first.
 */
export function openScratch(parent: string, label: string): string {
  const scratch = path.join(parent, ".tmp");
  mkdirSync(scratch, { recursive: true });
  for (const name of readdirSync(scratch)) {
    const [, owner] = new RegExp(`^${label}-(\\d+)-`).exec(name) ?? [];
    if (owner !== undefined && !isRunning(Number(owner)))
      rmSync(path.join(scratch, name), { recursive: true, force: true });
  }
  return mkdtempSync(path.join(scratch, `${label}-${process.pid}-`));
}

/**
 * A folder like `openScratch`'s for work that a later process may go on with: one of the same label and key that was left
 * by a process that no longer runs is taken over, others that were left are removed.
 */
export function resumeScratch(parent: string, label: string, key: string): string {
  const scratch = path.join(parent, ".tmp");
  mkdirSync(scratch, { recursive: true });
  let taken: string | undefined;
  for (const name of readdirSync(scratch)) {
    const [, other, owner] = new RegExp(`^${label}-([0-9a-f]+)-(\\d+)-`).exec(name) ?? [];
    if (owner === undefined || isRunning(Number(owner))) continue;
    const left = path.join(scratch, name);
    if (other !== key || taken !== undefined) {
      rmSync(left, { recursive: true, force: true });
      continue;
    }
    const own = path.join(scratch, name.replace(`-${owner}-`, `-${process.pid}-`));
    try {
      renameSync(left, own);
      taken = own;
    } catch (error) {
      // Another process took it over meanwhile.
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
  return taken ?? mkdtempSync(path.join(scratch, `${label}-${key}-${process.pid}-`));
}

/** Removes a scratch folder and, when it was the last one, the folder around it. */
export function closeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  try {
    rmdirSync(path.dirname(folder));
  } catch (error) {
    if (systemCode(error) !== "ENOTEMPTY" && systemCode(error) !== "ENOENT") throw error;
  }
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}
