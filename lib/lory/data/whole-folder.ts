import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { closeScratch, openScratch } from "./builder/scratch";
import { CorpusError, messageOf, systemCode } from "./corpus-error";

export type WriteFile = (file: string, content: Uint8Array | string) => void;

/** Writes a file and waits until it is on the disk. */
export const writeThrough: WriteFile = (file, content) => writeFileSync(file, content, { flush: true });

/**
 * Writes files into a new folder that appears when it is whole: a full disk or a kill leaves nothing that looks like it. One that another
 * process has made meanwhile stays.
 *
 * @param what names the content in errors
 * @throws CorpusError when it cannot be written
 */
export function writeWholeFolder(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  what: string,
  writeFile: WriteFile = writeThrough,
): void {
  const parent = path.dirname(folder);
  let scratch: string | undefined;
  try {
    mkdirSync(parent, { recursive: true });
    scratch = openScratch(parent, "folder");
    const fresh = path.join(scratch, "fresh");
    mkdirSync(fresh);
    for (const [name, content] of Object.entries(files)) writeFile(path.join(fresh, name), content);
    renameSync(fresh, folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOTEMPTY" || code === "EEXIST") return;
    if (code === "ENOSPC" || code === "EDQUOT") {
      throw new CorpusError(`the disk is full, ${what} was not written: free some space and try again`);
    }
    throw new CorpusError(`${what} was not written: ${messageOf(error)}`);
  } finally {
    if (scratch !== undefined) closeScratch(scratch);
  }
}
