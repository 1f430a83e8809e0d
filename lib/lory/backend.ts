import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { openDevice, PluginError, XlaBackend } from "tfjs-backend-xla";
import { loadTensorflow, tensorflowVersion } from "./tensorflow";

/** tfjs backends that the library runs on. */
export const BACKENDS = ["xla", "tensorflow", "wasm", "cpu"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** What computes from now on. */
export interface BackendInfo {
  readonly backend: BackendName;
  /** The device as its driver names it; the backend's name where it has none. */
  readonly device: string;
}

/**
 * Chooses what computes: `xla`, or the backend that `LORY_BACKEND` or the option names. If `xla` was not asked for by name and its plugin
 * is missing, says so in one line and takes tfjs's `wasm`.
 * @throws if the named backend is unknown or does not start.
 */
export async function init(options: { readonly backend?: BackendName } = {}): Promise<BackendInfo> {
  tf.enableProdMode(); // tfjs's advice to install another backend is no help here
  const asked = options.backend ?? process.env.LORY_BACKEND;
  if (asked !== undefined && !(BACKENDS as readonly string[]).includes(asked)) {
    throw new Error(`the backend "${asked}" is not known: choose one of ${BACKENDS.join(", ")}`);
  }
  const name = (asked ?? (pluginMissing() ? "wasm" : "xla")) as BackendName;
  if (name === "xla") openDevice(); // tfjs does not say why a backend fails to start
  if (name === "tensorflow") loadTensorflow();
  if (name === "wasm") await import("@tensorflow/tfjs-backend-wasm");
  if (!(await tf.setBackend(name))) throw new Error(`the backend ${name} did not start: see the lines above`);
  await tf.ready();
  return { backend: name, device: device() ?? name };
}

/** The device that programs run on, or the TensorFlow that computes. */
function device(): string | undefined {
  const backend = tf.backend();
  if (backend instanceof XlaBackend) return backend.device.client.devices[0].kind;
  const version = tensorflowVersion();
  return version && `TensorFlow ${version}`;
}

/** Whether `xla` has no plugin; says so in one line, with what mends it. */
function pluginMissing(): boolean {
  try {
    openDevice();
    return false;
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    console.warn(`${error.message} Computing with tfjs's wasm backend instead, which is many times slower.`);
    return true;
  }
}
