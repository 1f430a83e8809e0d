import { readdirSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const CORE = path.join(path.dirname(require.resolve("@tensorflow/tfjs-core/package.json")), "dist");
const JASMINE = path.dirname(require.resolve("jasmine-core/package.json"));
const PACKAGE = path.dirname(__dirname);

/** The files of tfjs-core's test suite, such as `ops/abs_test.js`; the npm package holds them all. */
export function suiteFiles(): string[] {
  return readdirSync(CORE, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("_test.js") && path.basename(file) !== "setup_test.js")
    .map((file) => file.split(path.sep).join("/"))
    .sort();
}

/**
 * Bundles the whole suite with the backend's sources and one tfjs-core, as a program for `node` that takes names of files.
 * Annotations are ignored, since the package says of itself that its files have no side effects: the tests would vanish.
 * @returns the program's path.
 */
export async function bundleSuite(): Promise<string> {
  const outfile = path.join(PACKAGE, ".cache/tfjs-suite.cjs");
  const load = suiteFiles().map(
    (file) => `${JSON.stringify(file)}: () => require(${JSON.stringify(path.join(CORE, file))})`,
  );
  const worker = JSON.stringify(path.join(__dirname, "worker.ts"));
  await build({
    stdin: {
      contents: `const { work } = require(${worker});\nwork({ ${load.join(",\n")} }, process.argv.slice(2));\n`,
      resolveDir: PACKAGE,
    },
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    mainFields: ["module", "main"], // the sources of tfjs's packages as modules that share tfjs-core, not their bundles
    ignoreAnnotations: true,
    alias: { "jasmine-core": JASMINE },
    external: ["koffi"],
    logLevel: "error",
  });
  return outfile;
}
