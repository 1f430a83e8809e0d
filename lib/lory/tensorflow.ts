import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { keepFreedMemory } from "tfjs-backend-xla";

/** The packages that the set-up compiles, below a checkout's `.cache/tensorflow`; the first that is there is taken. */
const PACKAGES = ["gpu/node_modules/@tensorflow/tfjs-node-gpu", "cpu/node_modules/@tensorflow/tfjs-node"];

/** Settings that TensorFlow reads from the environment; what a user has set stays. */
const SETTINGS = {
  TF_CPP_MIN_LOG_LEVEL: "2", // warnings and errors only
  TF_FORCE_GPU_ALLOW_GROWTH: "true", // not the whole memory of a GPU at the start
};

/** TensorFlow's native part, as tfjs-node holds it. */
interface Binding {
  readonly TF_Version: string;
}

/**
 * Loads the tfjs-node that `npm run setup -- --tensorflow` has compiled, in the nearest checkout at or above this file or the working
 * directory. Thereby tfjs's backend `tensorflow` is registered and selected, and the process keeps memory that it frees.
 *
 * @throws Error if it is not set up, with the command, or if its libraries cannot be loaded
 */
export function loadTensorflow(startingFrom: readonly string[] = [__dirname, process.cwd()]): void {
  const found = startingFrom
    .flatMap(upward)
    .flatMap((folder) => PACKAGES.map((name) => path.join(folder, ".cache/tensorflow", name)))
    .find((folder) => existsSync(path.join(folder, "lib/.lory")));
  if (found === undefined) {
    throw new Error(
      `the backend tensorflow is not set up in a checkout at or above ${startingFrom.join(" or ")}: npm run setup -- --tensorflow`,
    );
  }
  for (const [name, value] of Object.entries(SETTINGS)) process.env[name] ??= value;
  keepFreedMemory();
  // tfjs-node 4.22 calls it; Node 23 and newer do not have it any more.
  if (!("isNullOrUndefined" in util)) {
    Object.assign(util, { isNullOrUndefined: (x: unknown) => x === null || x === undefined });
  }
  createRequire(__filename)(found);
}

/** The version of TensorFlow that the selected backend computes with; undefined if it is another backend. */
export function tensorflowVersion(): string | undefined {
  if (tf.getBackend() !== "tensorflow") return undefined;
  return (tf.backend() as tf.KernelBackend & { readonly binding: Binding }).binding.TF_Version;
}

/** A directory and those above it, nearest first. */
function upward(directory: string): string[] {
  const parent = path.dirname(directory);
  return parent === directory ? [directory] : [directory, ...upward(parent)];
}
