import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "tfjs-backend-xla";

/** Runs a function while the device of the backend `xla` says that it is CUDA's, so that forms for GPUs are chosen; it computes on this machine's. */
export async function asCuda<T>(fn: () => T | Promise<T>): Promise<T> {
  const { device } = tf.backend() as XlaBackend;
  const { kind } = device;
  Object.defineProperty(device, "kind", { value: "cuda", configurable: true, writable: true });
  try {
    return await fn();
  } finally {
    Object.defineProperty(device, "kind", { value: kind, configurable: true, writable: true });
  }
}
