/**
 * Prints, as one line of JSON, what the backend `tensorflow` computes with, or why it does not start. A program of its own,
 * since TensorFlow stays in the process that loads it.
 */
import { init } from "lory";

/** What is printed. */
export type TensorflowReport = { readonly device: string } | { readonly problem: string };

init({ backend: "tensorflow" })
  .then(({ device }): TensorflowReport => ({ device }))
  .catch((error: unknown): TensorflowReport => ({ problem: error instanceof Error ? error.message : String(error) }))
  .then((report) => console.log(JSON.stringify(report)))
  .catch((error: unknown) => {
    throw error;
  });
