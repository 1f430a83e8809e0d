import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";

/** Folders of this library whose code determines what a training gives; evaluation, plots and notebooks do not. */
const TRAINING_FOLDERS = ["nn", "moe", "models", "data", "train"] as const;
/** Folders inside them that do not: what builds a corpus is accounted for by its hash. */
const OTHER_FOLDERS = new Set(["builder", "dist", "node_modules", "peers", "testing"]);

/** Where code lies, and the ending of its files: `.js` compiled, `.ts` as sources. */
export interface CodePlace {
  /** Of this library: the folder that holds `nn`, `moe` and the others. */
  readonly library: string;
  readonly engine: string;
  readonly extension: string;
}

/**
 * SHA-256 of the code that determines a training: this library's layers, models, data loader and training, and the
 * engine.
 */
export async function codeHash(place: CodePlace = runningCode()): Promise<string> {
  const { library, engine, extension } = place;
  const folders = [
    ...TRAINING_FOLDERS.map((name) => ({ name, location: path.join(library, name) })),
    { name: "engine", location: engine },
  ];
  const hash = createHash("sha256");
  for (const { name, location } of folders) {
    for (const file of await codeFiles(location, extension)) {
      hash.update(`${name}/${file}\0`);
      hash.update(await fs.readFile(path.join(location, file)));
      hash.update("\0");
    }
  }
  return hash.digest("hex");
}

/** The files that this process runs: compiled ones as a rule, sources in tests. */
function runningCode(): CodePlace {
  const extension = path.extname(__filename);
  const enginePackage = path.dirname(require.resolve("tfjs-backend-xla/package.json"));
  return {
    library: path.dirname(__dirname),
    engine: extension === ".ts" ? enginePackage : path.join(enginePackage, "dist"),
    extension,
  };
}

/** Code files under a folder, by path with `/`, sorted: no declarations, tests or benchmarks. */
async function codeFiles(folder: string, extension: string, prefix = ""): Promise<string[]> {
  const entries = await fs.readdir(path.join(folder, prefix), { withFileTypes: true });
  const nested = entries.map(async (entry): Promise<string[]> => {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) return OTHER_FOLDERS.has(entry.name) ? [] : codeFiles(folder, extension, name);
    const isCode = path.extname(name) === extension && !/\.(d|test|bench|slow\.test)\.[jt]s$/.test(name);
    return isCode ? [name] : [];
  });
  return (await Promise.all(nested)).flat().sort();
}
