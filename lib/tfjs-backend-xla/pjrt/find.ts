import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { PluginError } from "./errors";

/** Kinds of devices that a plugin can be found for. */
export type PluginKind = "cpu" | "cuda";

interface PluginSource {
  /** Environment variable that names the shared library, and wins over all else. */
  readonly variable: string;
  /** The Python wheels that carry the plugin, and the library's place in each. */
  readonly wheels: Readonly<Record<string, string>>;
  /** The command that installs it. */
  readonly command: string;
}

const SOURCES = {
  cpu: {
    variable: "LORY_PJRT_CPU_PLUGIN",
    wheels: {
      "lammps-jax-pjrt-cpu": "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", // x86-64
      "xla-cpu-pjrt": "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so", // 64-bit Arm
    },
    command: "npm run setup",
  },
  cuda: {
    variable: "LORY_PJRT_CUDA_PLUGIN",
    wheels: { "jax-cuda13-pjrt": "jax_plugins/xla_cuda13/xla_cuda_plugin.so" },
    command: "npm run setup -- --cuda",
  },
} satisfies Record<PluginKind, PluginSource>;

/**
 * Absolute path of the PJRT plugin for a kind of device: the environment variable's file (LORY_PJRT_CPU_PLUGIN,
 * LORY_PJRT_CUDA_PLUGIN), else the library of the wheel installed in the nearest `.venv` at or above this package's
 * folder, then at or above the working directory (or where `startingFrom` says).
 * Throws a PluginError that lists where it was looked for and says the command that installs it.
 */
export function findPlugin(kind: PluginKind, startingFrom: readonly string[] = [__dirname, process.cwd()]): string {
  const source = SOURCES[kind];
  const given = process.env[source.variable];
  if (given) {
    const file = path.resolve(given);
    if (!existsSync(file)) throw new PluginError(`${source.variable} is ${given}: there is no such file`);
    return file;
  }
  const environments = [...new Set([...startingFrom.flatMap(upward)].map((dir) => path.join(dir, ".venv")))];
  const libraries = Object.values<string>(source.wheels);
  const found = environments
    .flatMap(sitePackages)
    .flatMap((dir) => libraries.map((library) => path.join(dir, library)));
  const plugin = found.find((file) => existsSync(file));
  if (plugin !== undefined) return plugin;
  const looked = environments.filter((dir) => existsSync(dir));
  throw new PluginError(
    `no PJRT plugin for ${kind}: ${source.variable} is not set, and ${Object.keys(source.wheels).join(" or ")} is not installed in ` +
      `${looked.length ? looked.join(" or ") : `a .venv at or above ${startingFrom.join(" or ")}`}. ` +
      `Install it with: ${source.command}`,
  );
}

/** Whether a file lies where one of the wheels puts its plugin. */
export function isWheelLibrary(file: string): boolean {
  const places = Object.values(SOURCES).flatMap(({ wheels }) => Object.values<string>(wheels));
  return places.some((place) => path.resolve(file).endsWith(path.join(path.sep, place)));
}

/** A directory and those above it, nearest first. */
function upward(directory: string): string[] {
  const parent = path.dirname(directory);
  return parent === directory ? [directory] : [directory, ...upward(parent)];
}

/** Where a Python environment keeps its packages: one folder a Python version, or Windows' single one. */
function sitePackages(environment: string): string[] {
  const lib = path.join(environment, "lib");
  const versions = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith("python")) : [];
  return [
    ...versions.map((name) => path.join(lib, name, "site-packages")),
    path.join(environment, "Lib", "site-packages"),
  ];
}
