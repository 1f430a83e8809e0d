/** The devices that XLA's plugins see, each plugin asked in a process of its own. */
import fs from "node:fs";
import { at } from "../places.mjs";
import { NO_CPU_PLUGIN, wantsCuda } from "../plugins.mjs";
import { ask } from "./ask.mjs";
import { pythonPackage } from "./parts.mjs";

/** @typedef {import("../commands/doctor.mjs").Finding} Finding */
/** @typedef {import("./plugin-report.js").PluginReport} PluginReport */

const WHEELS = { cpu: ["lammps-jax-pjrt-cpu", "xla-cpu-pjrt"], cuda: ["jax-cuda13-pjrt"] };
const COMMANDS = { cpu: "npm run setup", cuda: "npm run setup -- --cuda" };

/** @returns {Promise<Finding[]>} */
export async function devices() {
  if (!fs.existsSync(at("lib/tfjs-backend-xla/dist/pjrt/index.js")) || !fs.existsSync(at("node_modules/ts-node"))) {
    return [{ state: "missing", text: "cannot be asked for before the set-up", mend: "npm run setup" }];
  }
  const [cpu, cuda] = await Promise.all([reportOf("cpu"), reportOf("cuda")]);
  return [...describe("cpu", cpu, NO_CPU_PLUGIN === undefined), ...describe("cuda", cuda, wantsCuda())];
}

/**
 * @param {"cpu" | "cuda"} kind
 * @param {PluginReport} report
 * @param {boolean} needed whether the set-up is to install it here
 * @returns {Finding[]}
 */
function describe(kind, report, needed) {
  if ("problem" in report) {
    if (!report.installed && !needed) {
      const text = kind === "cpu" ? String(NO_CPU_PLUGIN) : "cuda: no plugin for NVIDIA GPUs is installed";
      return [{ state: "note", text, ...(kind === "cuda" ? { mend: COMMANDS.cuda } : {}) }];
    }
    const variable = `LORY_PJRT_${kind.toUpperCase()}_PLUGIN`;
    const mend = process.env[variable] ? `unset ${variable}, or set it to a PJRT plugin` : COMMANDS[kind];
    return [{ state: "missing", text: `${kind}: ${report.problem}`, mend }];
  }
  const wheel = WHEELS[kind].find((name) => pythonPackage(name) !== undefined);
  const isWheels = report.path.startsWith(at(".venv"));
  const origin = isWheels && wheel ? `${wheel} ${pythonPackage(wheel)}, ` : "";
  return [
    { state: "ok", text: `${kind}: ${origin}PJRT API ${report.apiVersion}, ${report.platformVersion}` },
    { state: "ok", text: `  plugin ${report.path}` },
    ...products(report.products),
    ...report.devices.map(({ id, kind: model, description, memoryBytes }) => {
      const memory = memoryBytes === undefined ? "" : `, ${(memoryBytes / 1e9).toFixed(1)} GB of memory to use`;
      return /** @type {const} */ ({ state: "ok", text: `  device ${id}: ${model}, ${description}${memory}` });
    }),
  ];
}

/** @param {import("tfjs-backend-xla/cpu").Products | undefined} found @returns {Finding[]} */
function products(found) {
  if (found === undefined) return [];
  if ("hash" in found) return [{ state: "ok", text: "  products of matrices on Intel AMX" }];
  return [{ state: "note", text: `  products of matrices by XLA: ${found.missing}` }];
}

/** What a plugin says of itself. @param {"cpu" | "cuda"} kind */
async function reportOf(kind) {
  return /** @type {PluginReport} */ (await ask("plugin-report.ts", [kind], "the plugin"));
}
