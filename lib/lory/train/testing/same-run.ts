import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { paramsToList } from "../../models";
import { latestCheckpoint } from "../checkpoint-folders";
import type { Run } from "../run";
import { numbersOf } from "./tiny-run";

/** SHA-256 over a run's parameters, with their names. */
export async function weights(run: Run): Promise<string> {
  const params = await run.params();
  const hash = createHash("sha256");
  for (const { name, tensor } of paramsToList(params)) {
    hash.update(name).update(new Uint8Array((await tensor.data()).buffer));
  }
  tf.dispose(params);
  return hash.digest("hex");
}

/** All of the optimizer's state, since it determines every step to come. */
async function optimizerBytes(run: Run): Promise<Buffer> {
  const folder = await latestCheckpoint(path.join(run.dir, "checkpoints"));
  return fs.readFile(path.join(folder!, "optimizer.safetensors"));
}

/** Expects two runs to have recorded the same numbers and to have ended with the same bits. */
export async function expectSame(run: Run, reference: Run): Promise<void> {
  expect(numbersOf(run.metrics)).toEqual(numbersOf(reference.metrics));
  expect(await weights(run)).toBe(await weights(reference));
  expect((await optimizerBytes(run)).equals(await optimizerBytes(reference))).toBe(true);
}
