import fs from "node:fs/promises";
import path from "node:path";

/**
 * Writes a small file so that a reader sees the old content or the new one, whole, whenever the process or the machine
 * stops: under a temporary name beside it, flushed, renamed. After an error the old file is untouched and no other left.
 */
export async function writeDurably(file: string, content: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFlushed(temporary, content);
    await fs.rename(temporary, file);
    await flushFolder(path.dirname(file));
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Removes what `writeDurably` left in a folder when its process was killed. Nobody may be writing there. */
export async function removeUnfinishedFiles(folder: string): Promise<void> {
  for (const name of await fs.readdir(folder)) {
    if (/\.\d+\.tmp$/.test(name)) await fs.rm(path.join(folder, name));
  }
}

/** Writes a file and flushes it to the disk. */
export async function writeFlushed(file: string, content: string): Promise<void> {
  const handle = await fs.open(file, "w");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Flushes a folder's list of names: until then a rename or a new file may be lost with the machine's power. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * What a file of a run directory holds; undefined if there is none.
 *
 * @param revive as that of `JSON.parse`
 * @throws an error that says what to do if it is damaged
 */
export async function readJson<T>(
  file: string,
  revive?: (key: string, value: unknown) => unknown,
): Promise<T | undefined> {
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text, revive) as T;
  } catch (error) {
    throw new Error(`${file} is damaged; delete the run's directory to train it again`, { cause: error });
  }
}

/** Whether the error says that something is not there. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}

/** The operating system's name for an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** An error of the file system in words that say what to do. */
export function fileSystemError(what: string, error: unknown): Error {
  const code = errorCode(error);
  const cure =
    code === "ENOSPC" || code === "EDQUOT"
      ? "there is no space left on the disk: free some"
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? "the place cannot be written to: change its permissions or choose another runsDir"
        : error instanceof Error
          ? error.message
          : String(error);
  return new Error(`${what}: ${cure}`, { cause: error });
}
