import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";

/** Folders of this library whose code determines what a training gives; evaluation, plots and notebooks do not. */
const TRAINING_FOLDERS = ["nn", "moe", "models", "data", "train"] as const;
/** Folders inside them that do not: what builds a corpus is accounted for by its hash. */
const OTHER_FOLDERS = new Set(["builder", "conformance", "dist", "node_modules", "peers", "testing"]);

/** Where code lies, as sources (`.ts`) or compiled (`.js`, each with its map). */
export interface CodePlace {
  /** Of this library: the folder that holds `nn`, `moe` and the others. */
  readonly library: string;
  readonly engine: string;
  readonly extension: string;
}

/** What is read of a source map. */
interface SourceMap {
  readonly sourcesContent?: readonly (string | null)[];
}

/**
 * SHA-256 of the code that determines a training: this library's layers, models, data loader and training, and the
 * engine. It is taken over the sources, those that what is compiled was compiled from, which its maps hold: the same code has the
 * same hash as sources, compiled, and packed for another machine, and code that was compiled before a source changed has its own. What is
 * compiled to native code has no part in it, since not every machine has it: a run's `env.json` says which computed its products.
 *
 * @throws Error if something was compiled without its source in its map
 */
export async function codeHash(place: CodePlace = runningCode()): Promise<string> {
  const { library, engine, extension } = place;
  const folders = [
    ...TRAINING_FOLDERS.map((name) => ({ name, location: path.join(library, name) })),
    { name: "engine", location: engine },
  ];
  const hash = createHash("sha256");
  for (const { name, location } of folders) {
    for (const { file, source } of await codeSources(location, extension)) {
      hash.update(`${name}/${file}\0`);
      hash.update(source);
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

/** The sources of the code under a folder, sorted by their paths with `/`, without their endings. */
async function codeSources(folder: string, extension: string): Promise<{ file: string; source: string }[]> {
  const files = (await codeFiles(folder, extension)).map((file) => file.slice(0, -extension.length)).sort();
  return Promise.all(
    files.map(async (file) => {
      const location = path.join(folder, file + extension);
      const source = await (extension === ".js" ? compiledSource(location) : fs.readFile(location, "utf8"));
      return { file, source };
    }),
  );
}

/** Code files under a folder, by path with `/`: no declarations, tests or benchmarks. */
async function codeFiles(folder: string, extension: string, prefix = ""): Promise<string[]> {
  const entries = await fs.readdir(path.join(folder, prefix), { withFileTypes: true });
  const nested = entries.map(async (entry): Promise<string[]> => {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) return OTHER_FOLDERS.has(entry.name) ? [] : codeFiles(folder, extension, name);
    const isCode = path.extname(name) === extension && !/\.(d|test|bench|slow\.test)\.[jt]s$/.test(name);
    return isCode ? [name] : [];
  });
  return (await Promise.all(nested)).flat();
}

/** The source that a file was compiled from. */
async function compiledSource(file: string): Promise<string> {
  const map = JSON.parse(await fs.readFile(`${file}.map`, "utf8")) as SourceMap;
  const source = map.sourcesContent?.[0];
  if (typeof source === "string") return source;
  throw new Error(`${file}.map does not hold the source: build the library again (in a clone: npm run build)`);
}
