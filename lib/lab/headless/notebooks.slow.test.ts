import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeOwnText } from "./own-text";
import { runHeadless } from "./run-headless";

const REPOSITORY = path.resolve(__dirname, "../../..");
const NOTEBOOKS = path.join(REPOSITORY, "notebooks");
/** Has a command of its own, which continuous integration runs. */
const QUICKSTART = "00-quickstart.ipynb";
const TIMEOUT_MS = 600_000;

const names = fs.readdirSync(NOTEBOOKS).filter((name) => name.endsWith(".ipynb") && name !== QUICKSTART);

let folder: string;
let resultsBefore: string[];

/** The checkout's results, each file with its size and the time of its last change. */
function results(): string[] {
  const root = path.join(REPOSITORY, "results");
  return fs.readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => {
    const { mtimeMs, size } = fs.statSync(path.join(root, name));
    return `${name} ${size} ${mtimeMs}`;
  });
}

beforeAll(async () => {
  // Inside the checkout, since names of packages are looked up from a notebook's folder on.
  const cache = path.join(REPOSITORY, ".cache");
  fs.mkdirSync(cache, { recursive: true });
  folder = fs.mkdtempSync(path.join(cache, "notebooks-"));
  resultsBefore = results();
  await writeOwnText(path.join(folder, "corpus"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/**
 * Runs a notebook on a small corpus, with hardly any training; all that it writes goes to a temporary folder. A notebook names its
 * text in the parameter `corpus`.
 */
function runSmall(notebook: string) {
  return runHeadless([notebook, "--out", path.join(folder, "executed")], folder, {
    PRESET: "ci",
    CORPUS: path.join(folder, "corpus"),
    LORY_RESULTS: path.join(folder, "results"),
  });
}

it.each(names)(
  "%s runs to its end with the preset ci",
  (name) => {
    const { status, stdout } = runSmall(path.join(NOTEBOOKS, name));
    expect(stdout.slice(-4000)).toContain(`[${path.basename(name, ".ipynb")}] done`);
    expect(status).toBe(0);
  },
  TIMEOUT_MS,
);

it(
  "keeps figures, tables and runs in the folder that LORY_RESULTS names",
  () => {
    const file = path.join(folder, "keeps.ipynb");
    const source = [
      'import * as lory from "lory";',
      'import { exportFigure, writeReport } from "lory-lab";',
      'const figure = { data: [{ type: "scatter", x: [0, 1], y: [0, 1] }], layout: { title: { text: "Line" } } };',
      'const figures = await exportFigure(figure, "line", { formats: ["json"], show: false });',
      "const tables = { numbers: lory.table([{ number: 1 }]) };",
      'writeReport("kept", { title: "Kept", statement: "All.", tables, figures, data: {} });',
      "const model = { numLayers: 1, contextLength: 8, segmentLength: 8 };",
      "const optimizer = { learningRate: 1e-3 };",
      'console.log((await lory.openRun({ name: "tiny", model, optimizer, corpus: process.env.CORPUS, batchSize: 1, trainTokens: 8 })).dir);',
    ].join("\n");
    const cell = { cell_type: "code", id: "all", metadata: {}, source, outputs: [], execution_count: null };
    const kernelspec = { name: "lory", display_name: "Lory (TypeScript)", language: "typescript" };
    fs.writeFileSync(file, JSON.stringify({ cells: [cell], metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }));
    const { status, stdout } = runSmall(file);
    expect(stdout).toContain(path.join(folder, "results", "runs", "tiny-"));
    expect(status).toBe(0);
    const written = fs.readdirSync(path.join(folder, "results"), { recursive: true });
    expect(written).toEqual(expect.arrayContaining(["figures/line.json", "kept/summary.md", "kept/numbers.csv"]));
    expect(results()).toEqual(resultsBefore);
  },
  TIMEOUT_MS,
);
