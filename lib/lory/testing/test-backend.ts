import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import "tfjs-backend-xla";
import { loadTensorflow } from "../tensorflow";

/**
 * Selects the backend that tests run on: `LORY_TEST_BACKEND`, `xla` without one.
 *
 * @throws Error if there is no such backend, or if it does not start
 */
export async function useTestBackend(): Promise<void> {
  const name = process.env.LORY_TEST_BACKEND ?? "xla";
  if (name === "tensorflow") loadTensorflow();
  if (!(await tf.setBackend(name))) throw new Error(`backend "${name}" (LORY_TEST_BACKEND) did not start`);
}
