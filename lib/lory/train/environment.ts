import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "tfjs-backend-xla";
import type { Products } from "tfjs-backend-xla/cpu";
import { tensorflowVersion } from "../tensorflow";

/** Where and with what a part of a training ran. */
export interface Environment {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Steps that had been trained before. */
  readonly startStep: number;
  readonly backend: string;
  readonly device: string;
  /** Whether the steps' program was to give the same bits each time it runs on this device. CPUs' programs do so anyway. */
  readonly deterministic: boolean;
  /** Which native code computed large products of matrices, or why XLA did: their sums are rounded otherwise. Null for other backends. */
  readonly products: Products | null;
  readonly platform: string;
  readonly cpu: string;
  readonly cpuCores: number;
  readonly memoryBytes: number;
  readonly versions: Readonly<Record<string, string>>;
  /** The checkout's commit, with `-dirty` when files differ from it; null outside of one. */
  readonly commit: string | null;
  /** The program and its arguments: paths relative to the working directory, and of files outside of it the names alone. */
  readonly command: readonly string[];
}

/**
 * Describes this process, for the record of a run.
 *
 * @param startStep steps trained before
 * @param deterministic whether the run asks for programs that give the same bits each time
 */
export async function describeEnvironment(startStep: number, deterministic: boolean): Promise<Environment> {
  const { plugin, products = null } = pjrtDevice();
  return {
    startedAt: new Date().toISOString(),
    startStep,
    backend: tf.getBackend(),
    device: deviceName(),
    deterministic: deterministic || isDeterministicByDefault(),
    products,
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: cpuName(),
    cpuCores: os.cpus().length,
    memoryBytes: os.totalmem(),
    versions: { ...versions(), ...plugin, ...tensorflow() },
    commit: await commit(),
    command: process.argv.map(shortened),
  };
}

/** The device that programs run on: the processor's name where that is it. */
export function deviceName(): string {
  return pjrtDevice().device ?? cpuName();
}

function cpuName(): string {
  return os.cpus()[0]?.model.trim() ?? "unknown";
}

/** An argument as others can read it: where this machine keeps its files is of no use to them. */
function shortened(argument: string): string {
  if (!path.isAbsolute(argument)) return argument;
  const fromHere = path.relative("", argument);
  return fromHere.startsWith("..") ? path.basename(argument) : fromHere;
}

/** The device that programs run on, if it is not the CPU, the plugin that runs them, and what computes their products. */
function pjrtDevice(): { device?: string; plugin?: Record<string, string>; products?: Products } {
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) return {};
  const { devices, platformName, platformVersion } = backend.device.client;
  return {
    device: backend.device.kind === "cpu" ? undefined : devices[0].kind,
    plugin: { [`pjrt ${platformName}`]: platformVersion },
    products: backend.device.products,
  };
}

/** Whether the process asks it of all programs. */
function isDeterministicByDefault(): boolean {
  const backend = tf.backend();
  return backend instanceof XlaBackend && backend.device.deterministic;
}

/** The version of TensorFlow, where that computes. */
function tensorflow(): { tensorflow?: string } {
  const version = tensorflowVersion();
  return version === undefined ? {} : { tensorflow: version };
}

/** Versions of what numbers can depend on. */
function versions(): Record<string, string> {
  return {
    node: process.versions.node,
    lory: packageVersion("lory"),
    "tfjs-core": tf.version_core,
    "tfjs-backend-xla": packageVersion("tfjs-backend-xla"),
  };
}

function packageVersion(name: string): string {
  const { version } = JSON.parse(readFileSync(require.resolve(`${name}/package.json`), "utf8")) as { version: string };
  return version;
}

async function commit(): Promise<string | null> {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)("git", args, { cwd: __dirname });
    return stdout.trim();
  };
  try {
    const hash = await git("rev-parse", "HEAD");
    return (await git("status", "--porcelain", "--untracked-files=no")) === "" ? hash : `${hash}-dirty`;
  } catch {
    // No git, or no checkout: a published library has no commit.
    return null;
  }
}
