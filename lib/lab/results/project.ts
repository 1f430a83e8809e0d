import fs from "node:fs";
import path from "node:path";

/** The clone that this file belongs to: the nearest folder above whose package.json lists workspaces; undefined if there is none. */
export function projectFolder(from = __dirname): string | undefined {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (fs.existsSync(manifest)) {
      const content = JSON.parse(fs.readFileSync(manifest, "utf8")) as { workspaces?: unknown };
      if (content.workspaces !== undefined) return folder;
    }
    if (folder === path.dirname(folder)) return undefined;
  }
}

/**
 * The folder `name` under the clone's `results`, or under the folder that the environment variable LORY_RESULTS names; under the
 * working folder's `results` if this is no clone.
 */
export function resultsFolder(name: string): string {
  const results = process.env.LORY_RESULTS || path.join(projectFolder() ?? process.cwd(), "results");
  return path.resolve(results, name);
}
