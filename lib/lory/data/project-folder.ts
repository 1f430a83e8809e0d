import { existsSync } from "node:fs";
import path from "node:path";
import { CorpusError } from "./corpus-error";

/**
 * The checkout that this library lies in: the nearest folder above that holds `lib/lory/package.json`.
 * Corpora are found in its `data/`, what is downloaded or converted goes to its `.cache/`.
 *
 * @throws CorpusError when the library is installed outside a checkout; corpora must then be named by their folder.
 */
export function projectFolder(from: string = __dirname): string {
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, "lib", "lory", "package.json"))) return folder;
    if (path.dirname(folder) === folder) {
      throw new CorpusError(`${from} is not inside a checkout of Lory: name the corpus or tokenizer by its path`);
    }
  }
}

/**
 * Folders in which the built corpus of a name may lie, in the order in which they are looked into: `<name>/build` and `<name>` of the
 * folder that `LORY_DATA` names, then `data/<name>/build` of the checkout. A run's configuration keeps the name, so that it is
 * the same run wherever its corpus lies.
 */
export function builtCorpusFolders(name: string): string[] {
  const elsewhere = process.env.LORY_DATA;
  const given = elsewhere ? [path.resolve(elsewhere, name, "build"), path.resolve(elsewhere, name)] : [];
  return [...given, path.join(corpusFolder(name), "build")];
}

/** `data/<name>` of the checkout, where a corpus's README, table of sources and build lie. */
export function corpusFolder(name: string, root: string = projectFolder()): string {
  return path.join(root, "data", name);
}

/** Where runs, figures and tables are kept: the checkout's `results`, or the folder that the environment variable LORY_RESULTS names. */
export function resultsFolder(): string {
  return process.env.LORY_RESULTS || path.join(projectFolder(), "results");
}

/** Where downloaded packages are kept between builds. */
export function packageCache(root: string = projectFolder()): string {
  return path.join(root, ".cache", "packages");
}
