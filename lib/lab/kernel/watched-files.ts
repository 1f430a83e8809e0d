/**
 * The files that the compiler reads, looked at before each cell instead of watched: a cell sees every edit made before it
 * was run, with no timer and no file-system events in between.
 */
import fs from "node:fs";
import ts from "typescript";

interface WatchedFile {
  /** Modification time when it was last looked at, in milliseconds; 0 where the file does not exist. */
  stamp: number;
  readonly callbacks: Set<ts.FileWatcherCallback>;
}

/** Installed packages do not change while a kernel runs, and there are thousands of their files. */
const isInstalled = (file: string): boolean => file.includes("/node_modules/");

const stampOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function watcher<T>(callbacks: Set<T>, callback: T, onLast: () => void): ts.FileWatcher {
  callbacks.add(callback);
  return {
    close: () => {
      callbacks.delete(callback);
      if (callbacks.size === 0) onLast();
    },
  };
}

/** The compiler's view of changes on disk. */
export class WatchedFiles {
  #files = new Map<string, WatchedFile>();
  #folders = new Map<string, Set<ts.DirectoryWatcherCallback>>();

  /** `system`, but for its watchers: those report only what `pull` finds. */
  systemFor(system: ts.System): ts.System {
    const pulled = Object.create(system) as ts.System;
    pulled.watchFile = (file, callback) => {
      const entry = this.#files.get(file) ?? { stamp: isInstalled(file) ? 0 : stampOf(file), callbacks: new Set() };
      this.#files.set(file, entry);
      return watcher(entry.callbacks, callback, () => this.#files.delete(file));
    };
    pulled.watchDirectory = (folder, callback) => {
      const callbacks = this.#folders.get(folder) ?? new Set();
      this.#folders.set(folder, callbacks);
      return watcher(callbacks, callback, () => this.#folders.delete(folder));
    };
    return pulled;
  }

  /**
   * Tells the compiler which of the files that it read have changed since the last call, and that `created` are new.
   * Returns the changed files.
   */
  pull(created: readonly string[] = []): string[] {
    const changed: string[] = [];
    for (const [file, entry] of this.#files) {
      if (isInstalled(file)) continue;
      const before = entry.stamp;
      entry.stamp = stampOf(file);
      if (entry.stamp === before) continue;
      changed.push(file);
      const kind =
        entry.stamp === 0
          ? ts.FileWatcherEventKind.Deleted
          : before === 0
            ? ts.FileWatcherEventKind.Created
            : ts.FileWatcherEventKind.Changed;
      for (const callback of [...entry.callbacks]) callback(file, kind);
    }
    for (const file of created) {
      for (const [folder, callbacks] of this.#folders) {
        if (file.startsWith(`${folder}/`)) for (const callback of [...callbacks]) callback(file);
      }
    }
    return changed;
  }

  /** Reports every watched file for which `match` holds as changed, so that it is compiled and loaded anew. */
  touch(match: (file: string) => boolean): void {
    for (const [file, { callbacks }] of this.#files) {
      if (match(file)) for (const callback of [...callbacks]) callback(file, ts.FileWatcherEventKind.Changed);
    }
  }
}
