import { existsSync, readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Client, Plugin } from "../pjrt";
import type { KeyParts } from "./entry";

/** Variables that change what XLA and the libraries below it compile to. */
const VARIABLES = /^(XLA_FLAGS|TF_XLA_FLAGS|LIBTPU_INIT_ARGS|NVIDIA_TF32_OVERRIDE|(TF_)?(CUBLAS|CUDNN)_\w+)$/;

/** SHA-256 of native code: the plugin's file, and the library with what programs call by name, empty if they can call nothing. */
interface Hashes {
  readonly plugin: string;
  readonly kernels: string;
}

/** All that a compiled program depends on, beside its text and its options. */
export function identityOf(
  client: Client,
  plugin: Plugin,
  hashes: Hashes,
  environment: NodeJS.ProcessEnv = process.env,
): KeyParts {
  const variables = Object.entries(environment).filter(([name]) => VARIABLES.test(name));
  return {
    ...hashes,
    api: `${plugin.apiVersion.major}.${plugin.apiVersion.minor}`,
    libraries: client.platformName === "cuda" ? nvidiaVersions(plugin.path).join(" ") : "",
    platform: `${client.platformName} ${client.platformVersion}`,
    devices: client.devices.map(({ kind }) => kind).join(),
    processor: processor(),
    environment: JSON.stringify(variables.sort()),
  };
}

/**
 * The processor's model and features, and how many threads may run: XLA's CPU compiler writes code for just these.
 * Two machines with the same model may differ in features where one is virtual.
 */
export function processor(): string {
  const model = os.cpus()[0]?.model ?? "";
  return [process.platform, process.arch, model, `${os.availableParallelism()} threads`, features()].join("; ");
}

/** Linux's list of the processor's features; elsewhere the model says them. */
function features(): string {
  if (process.platform !== "linux") return "";
  const lines = readFileSync("/proc/cpuinfo", "utf8").split("\n");
  return lines.find((line) => /^(flags|Features)\s*:/.test(line))?.replace(/^\w+\s*:\s*/, "") ?? "";
}

/** Versions of NVIDIA's libraries and driver, which the plugin of CUDA compiles with. */
function nvidiaVersions(plugin: string): string[] {
  const site = path.dirname(path.dirname(path.dirname(plugin)));
  const wheels = readdirSync(site).filter((name) => /^nvidia_.*\.dist-info$/.test(name));
  const driver = "/proc/driver/nvidia/version";
  return [...wheels.sort(), existsSync(driver) ? readFileSync(driver, "utf8").trim() : ""];
}
