/** What makes the environment's JupyterLab this project's: the kernel, the plotly renderer, settings. */
import fs from "node:fs";
import path from "node:path";
import { at, setupFile } from "./places.mjs";
import { withHugePages } from "../../lory/bin/huge-pages.js";
import { digest, isStamped, stamped } from "./step.mjs";

const STAMP = at(".venv/.lory/jupyter");
const SHARE = at(".venv/share/jupyter");
const EXTENSION = at("lib/lab/labextension");
const PLOTLY = at("node_modules/plotly.js-dist-min");

const KERNEL = {
  // Without the option Node aborts when the stop button ends a timer's callback in the middle.
  argv: [process.execPath, "--no-force-async-hooks-checks", at("lib/lab/dist/kernel/main.js"), "{connection_file}"],
  display_name: "Lory (TypeScript)",
  language: "typescript",
  interrupt_mode: "message",
  env: withHugePages({}),
};

const SETTINGS = {
  "@jupyterlab/apputils-extension:notification": { fetchNews: "false", checkForUpdates: false },
  "@jupyterlab/completer-extension:manager": { autoCompletion: true },
};

/** @type {import("./step.mjs").Step} */
export const jupyter = {
  id: "jupyter",
  title: "JupyterLab's kernel, plotly renderer and settings",
  megabytes: 6,
  duration: "1 s",
  isDone: () => isStamped(STAMP, current()),
  work: () =>
    stamped(STAMP, current, async () => {
      writeJson("kernels/lory/kernel.json", KERNEL);
      writeJson("lab/settings/overrides.json", SETTINGS);
      const extension = path.join(SHARE, "labextensions/lory-plotly");
      fs.rmSync(extension, { recursive: true, force: true });
      fs.cpSync(EXTENSION, extension, { recursive: true });
      fs.copyFileSync(path.join(PLOTLY, "plotly.min.js"), path.join(extension, "static/plotly.min.js"));
    }),
};

function current() {
  const files = fs.readdirSync(EXTENSION, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return digest(
    fs.readFileSync(setupFile("jupyter.mjs")),
    JSON.stringify(KERNEL),
    fs.readFileSync(path.join(PLOTLY, "package.json")),
    ...files.map((file) => fs.readFileSync(path.join(file.parentPath, file.name))),
  );
}

/** @param {string} place @param {unknown} content */
function writeJson(place, content) {
  const file = path.join(SHARE, place);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
