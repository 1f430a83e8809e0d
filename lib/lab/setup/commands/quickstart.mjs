/**
 * `npm run quickstart`: runs notebooks/00-quickstart.ipynb headless from top to bottom, then prints the table of results and
 * the figures that the notebook wrote to results/quickstart.
 */
import fs from "node:fs";
import { SetupError } from "../errors.mjs";
import { at } from "../places.mjs";
import { runPython } from "../programs.mjs";

const NOTEBOOK = "notebooks/00-quickstart.ipynb";
const TABLE = at("results/quickstart/summary.md");
const FIGURES = at("results/quickstart/figures.txt");

/** Jupyter's own files stay in the clone, and a user's Jupyter settings do not change what is run. */
const ISOLATED = {
  JUPYTER_CONFIG_DIR: at(".cache/jupyter/config"),
  JUPYTER_DATA_DIR: at(".cache/jupyter/data"),
  JUPYTER_RUNTIME_DIR: at(".cache/jupyter/runtime"),
  IPYTHONDIR: at(".cache/jupyter/ipython"),
};

/** @param {string[]} args */
export async function run(args) {
  if (args.length) {
    throw new SetupError(
      `npm run quickstart takes no arguments; it was given ${args.join(" ")}. Parameters are environment variables: PRESET=ci npm run quickstart`,
    );
  }
  const started = Date.now();
  for (const folder of Object.values(ISOLATED)) fs.mkdirSync(folder, { recursive: true });
  const exitCode = await runPython([at("lib/lab/headless/run.py"), NOTEBOOK], ISOLATED);
  if (exitCode !== 0) return exitCode;
  for (const file of [TABLE, FIGURES]) {
    // What an earlier run has left is not this one's result.
    if ((fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < started)
      throw new SetupError(`${NOTEBOOK} ran to its end and did not write ${file}.`);
  }
  console.log(`\n${fs.readFileSync(TABLE, "utf8").trim()}\n`);
  console.log(`Figures:\n${fs.readFileSync(FIGURES, "utf8").trim()}`);
  return 0;
}
