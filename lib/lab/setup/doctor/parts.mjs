/** Versions of the parts, read from what is installed. */
import fs from "node:fs";
import { firstLine } from "../child.mjs";
import { npm } from "../node-modules.mjs";
import { at, sitePackages, VENV_PYTHON, WORKSPACES } from "../places.mjs";

/** @typedef {import("../commands/doctor.mjs").Finding} Finding */

const NPM_PACKAGES = [
  "typescript",
  "ts-node",
  "tslab",
  "@tensorflow/tfjs-core",
  "koffi",
  "danfojs-node",
  "plotly.js-dist-min",
  "zeromq",
  "vitest",
];
const PYTHON_PACKAGES = ["jupyterlab", "nbclient"];

/** @returns {Finding[]} */
export function parts() {
  const python = firstLine(VENV_PYTHON, ["--version"])?.replace("Python ", "");
  return [
    finding("npm", npmVersion()),
    ...NPM_PACKAGES.map((name) => finding(name, npmPackage(name))),
    finding("python (.venv)", python),
    ...PYTHON_PACKAGES.map((name) => finding(name, pythonPackage(name))),
  ];
}

/** @param {string} name @param {string | undefined} version @returns {Finding} */
function finding(name, version) {
  return version === undefined
    ? { state: "missing", text: name, mend: "npm run setup" }
    : { state: "ok", text: `${name} ${version}` };
}

function npmVersion() {
  const [command, ...args] = npm() ?? [];
  return command && firstLine(command, [...args, "--version"]);
}

/** @param {string} name @returns {string | undefined} */
function npmPackage(name) {
  const folders = ["", ...WORKSPACES].map((place) => at(place, "node_modules", name, "package.json"));
  const file = folders.find((each) => fs.existsSync(each));
  return file && JSON.parse(fs.readFileSync(file, "utf8")).version;
}

/**
 * Version of a package in the project's Python environment.
 * @param {string} name
 * @returns {string | undefined}
 */
export function pythonPackage(name) {
  const start = `${name.replaceAll("-", "_")}-`;
  const ending = ".dist-info";
  return sitePackages()
    .flatMap((folder) => fs.readdirSync(folder))
    .find((entry) => entry.startsWith(start) && entry.endsWith(ending))
    ?.slice(start.length, -ending.length);
}
