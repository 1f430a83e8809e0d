import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
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
  readonly sources: readonly string[];
  readonly sourcesContent?: readonly (string | null)[];
}

/**
 * SHA-256 of the code that determines a training: this library's layers, models, data loader and training, and the
 * engine. It is taken over the sources, those that what is compiled was compiled from, which its maps hold: the same code has the
 * same hash as sources, compiled, and packed for another machine, and code that was compiled before a source changed has its own.
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

/** A source under a folder. */
interface CodeSource {
  /** Its path with `/`, without its ending. */
  readonly file: string;
  readonly source: string;
  /** False of one that is known by what was compiled from it alone. */
  readonly isHere: boolean;
}

/** The sources of the code under a folder, sorted. What the compiler left of a source that is gone is not among them. */
async function codeSources(folder: string, extension: string): Promise<CodeSource[]> {
  const files = (await codeFiles(folder, extension)).map((file) => file.slice(0, -extension.length)).sort();
  const sources = await Promise.all(
    files.map(async (file): Promise<CodeSource> => {
      const location = path.join(folder, file + extension);
      if (extension === ".js") return { file, ...(await compiledSource(location)) };
      return { file, source: await fs.readFile(location, "utf8"), isHere: true };
    }),
  );
  // Where there are no sources, as in what was packed for another machine, what is compiled is all there is.
  return sources.some(({ isHere }) => isHere) ? sources.filter(({ isHere }) => isHere) : sources;
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
async function compiledSource(file: string): Promise<Omit<CodeSource, "file">> {
  const map = JSON.parse(await fs.readFile(`${file}.map`, "utf8")) as SourceMap;
  const source = map.sourcesContent?.[0];
  if (typeof source !== "string") {
    throw new Error(`${file}.map does not hold the source: build the library again (in a clone: npm run build)`);
  }
  const isHere = existsSync(path.resolve(path.dirname(file), map.sources[0]));
  return { source, isHere };
}
