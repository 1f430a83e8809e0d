/** The modules that Node has loaded from the workspaces' built files, and whether those have changed since. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import Module from "node:module";

interface LoadedFile {
  stamp: number;
  readonly hash: string;
}

interface LoadableModule {
  load: (this: Module, filename: string) => void;
}

const hashOf = (file: string): string => createHash("sha256").update(fs.readFileSync(file)).digest("base64");

/** Follows the modules under `folders` from now on; create it before the first of them is loaded. */
export class LoadedModules {
  #loaded = new WeakMap<Module, LoadedFile>();

  constructor(folders: readonly string[]) {
    const prototype = Module.prototype as unknown as LoadableModule;
    const load = prototype.load;
    const loaded = this.#loaded;
    prototype.load = function (filename) {
      if (folders.some((folder) => filename.startsWith(folder))) {
        loaded.set(this, { stamp: fs.statSync(filename).mtimeMs, hash: hashOf(filename) });
      }
      load.call(this, filename);
    };
  }

  /** Files under `folder` that are loaded in another version than the one on disk. */
  changed(folder: string): string[] {
    return this.#under(folder)
      .filter((module) => this.#isChanged(module))
      .map((module) => module.filename);
  }

  /** Makes Node forget the changed modules under `folder` and all there that import them. Returns how many. */
  forgetChanged(folder: string): number {
    const own = this.#under(folder);
    const forgotten = new Set(own.filter((module) => this.#isChanged(module)));
    for (let size = -1; size !== forgotten.size;) {
      size = forgotten.size;
      for (const module of own) if (module.children.some((child) => forgotten.has(child))) forgotten.add(module);
    }
    for (const { filename } of forgotten) Reflect.deleteProperty(require.cache, filename);
    for (const module of Object.values(require.cache)) {
      if (module !== undefined) module.children = module.children.filter((child) => !forgotten.has(child));
    }
    return forgotten.size;
  }

  #under(folder: string): Module[] {
    return Object.values(require.cache).filter((module) => module?.filename.startsWith(folder) === true) as Module[];
  }

  #isChanged(module: Module): boolean {
    const loaded = this.#loaded.get(module);
    if (loaded === undefined) return false;
    const stamp = fs.statSync(module.filename, { throwIfNoEntry: false })?.mtimeMs;
    if (stamp === undefined) return true;
    if (stamp === loaded.stamp) return false;
    if (hashOf(module.filename) !== loaded.hash) return true;
    loaded.stamp = stamp; // written again with the same content
    return false;
  }
}
