/**
 * This library's training step on `xla` in a process of its own, so that it and a peer have a GPU's memory in turn: ts-node library_step.ts
 * FOLDER. As `library_step.ts FOLDER weights PRESET BATCH_SIZE PRECISION` it writes the peers' input instead.
 */
import { init } from "lory";
import { openDevice } from "tfjs-backend-xla";
import { modelConfig } from "../../models";
import type { RunConfig } from "../run-config";
import { answerSteps } from "./answer-steps";
import { givenState, librarySteps } from "./library-steps";
import { readStepInput, writeStepInput } from "./step-folder";

async function main(folder: string): Promise<void> {
  const { backend, device } = await init({ backend: "xla" });
  const input = readStepInput(folder);
  const steps = librarySteps(input, givenState(input));
  const begin = performance.now();
  await steps.prepare();
  const compileSeconds = (performance.now() - begin) / 1000;
  await answerSteps({ name: `${backend}, ${device}`, compileSeconds }, async (count) => ({
    ...(await steps.run(count)),
    peakBytes: openDevice().client.devices[0].memoryStats()?.peakBytesInUse,
  }));
}

async function write(
  folder: string,
  preset: string,
  batchSize: number,
  precision: RunConfig["precision"],
): Promise<void> {
  await init({ backend: "xla" });
  await writeStepInput(folder, modelConfig({ preset: preset as "0.3b" }), batchSize, precision);
}

const [folder, task, preset, batchSize, precision] = process.argv.slice(2);
void (task === undefined
  ? main(folder)
  : write(folder, preset, Number(batchSize), precision as RunConfig["precision"]));
