import { mkdirSync, readFileSync, renameSync, statSync, unlink, utimes, writeFileSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";

const ENDING = ".xla";
const TEMPORARY_ENDING = ".tmp";
/** A temporary file this old was left by a process that ended. */
const ABANDONED_MS = 3_600_000;
/** What is left of the limit after old files have been removed, so that they are not looked through at each write. */
const KEPT = 0.8;
const EVERYONE_WRITES = 0o002;

/**
 * Files of a folder by name, within a limit of bytes: the ones that were used least recently go. Any number of processes may share the
 * folder: files appear whole, by a rename. What fails is said once on standard error, and costs nothing but the cache.
 */
export class EntryStore {
  #bytes: number | undefined;
  #trimming: Promise<void> | undefined;
  #unread = false;
  #unwritten = false;
  #written = 0;

  constructor(
    readonly folder: string,
    readonly limitBytes: number,
  ) {
    this.#refuseIfOpenToAll();
  }

  /** A file's content; nothing if there is none. */
  read(name: string): Buffer | undefined {
    if (this.#unread) return undefined;
    try {
      return this.#used(name, readFileSync(this.#file(name)));
    } catch {
      return undefined;
    }
  }

  /** Like {@link read}; the event loop stays free. */
  async readAsync(name: string): Promise<Buffer | undefined> {
    if (this.#unread) return undefined;
    try {
      return this.#used(name, await readFile(this.#file(name)));
    } catch {
      return undefined;
    }
  }

  /** Writes a file, unless it alone exceeds the limit, or an earlier one could not be written. */
  write(name: string, content: Buffer): void {
    if (this.#unwritten || content.length > this.limitBytes) return;
    const temporary = path.join(this.folder, `${name}.${process.pid}.${this.#written++}${TEMPORARY_ENDING}`);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(temporary, content, { mode: 0o600 });
      renameSync(temporary, this.#file(name));
    } catch (error) {
      this.#giveUp((error as Error).message);
      unlink(temporary, () => undefined);
      return;
    }
    if (this.#bytes !== undefined) this.#bytes += content.length;
    if (this.#bytes === undefined || this.#bytes > this.limitBytes) void this.trim();
  }

  /** Removes what was used least recently until the rest is well within the limit. */
  trim(): Promise<void> {
    return (this.#trimming ??= this.#trim().finally(() => (this.#trimming = undefined)));
  }

  async #trim(): Promise<void> {
    const files = await this.#files();
    let bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (bytes > this.limitBytes) {
      for (const { file, size } of files.sort((a, b) => a.usedMs - b.usedMs)) {
        if (bytes <= this.limitBytes * KEPT) break;
        await rm(file, { force: true }).catch(() => undefined);
        bytes -= size;
      }
    }
    this.#bytes = bytes;
  }

  /** The entries; temporary files that nobody will finish are removed. */
  async #files(): Promise<{ file: string; size: number; usedMs: number }[]> {
    const names = await readdir(this.folder).catch(() => []);
    const files = [];
    for (const name of names) {
      const file = path.join(this.folder, name);
      const stats = await stat(file).catch(() => undefined);
      if (!stats) continue;
      if (name.endsWith(ENDING)) files.push({ file, size: stats.size, usedMs: stats.mtimeMs });
      else if (name.endsWith(TEMPORARY_ENDING) && Date.now() - stats.mtimeMs > ABANDONED_MS)
        await rm(file, { force: true }).catch(() => undefined);
    }
    return files;
  }

  #file(name: string): string {
    return path.join(this.folder, name + ENDING);
  }

  /** A file's time of change is the time of its last use. */
  #used(name: string, content: Buffer): Buffer {
    const now = new Date();
    utimes(this.#file(name), now, now, () => undefined);
    return content;
  }

  /** Machine code that anybody may have written is not for running. */
  #refuseIfOpenToAll(): void {
    if (process.platform === "win32" || !isOpenToAll(this.folder)) return;
    this.#unread = true;
    this.#giveUp(`everyone may write to ${this.folder}; take that permission away, or name another folder`);
  }

  #giveUp(reason: string): void {
    this.#unwritten = true;
    console.warn(`Compiled programs are not kept for the next start: ${reason}`);
  }
}

function isOpenToAll(folder: string): boolean {
  try {
    return (statSync(folder).mode & EVERYONE_WRITES) !== 0;
  } catch {
    return false; // not there yet
  }
}
