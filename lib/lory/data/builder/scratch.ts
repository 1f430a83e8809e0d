import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
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
