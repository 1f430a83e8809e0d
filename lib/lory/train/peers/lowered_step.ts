/**
 * JAX's lowered training step on the plugin that this library uses, as a peer: ts-node lowered_step.ts FOLDER
 * FOLDER holds step.mlir beside the peers' input. Its arguments are the leaves of (parameters, m, v, steps done, tokens), dictionaries
 * in the order of their keys; its results are the first four, updated, and the loss.
 */
import fs from "node:fs";
import path from "node:path";
import { openClient, type DeviceBuffer } from "tfjs-backend-xla/pjrt";
import { answerSteps } from "./answer-steps";
import { readStepInput } from "./step-folder";

async function main(folder: string): Promise<void> {
  const { spec, weights, batches } = readStepInput(folder);
  const client = openClient("cpu");
  const program = await client.compile(fs.readFileSync(path.join(folder, "step.mlir"), "utf8"));
  const order = spec.parameters.map(({ name }, i) => ({ name, i })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const upload = (valuesOf: (i: number) => Float32Array) =>
    order.map(({ i }) => client.bufferFromHost(valuesOf(i), "f32", spec.parameters[i].shape));
  const zeros = (i: number) => new Float32Array(weights[i].length);
  const steps = client.bufferFromHost(new Float32Array(1), "f32", []);
  let state: DeviceBuffer[] = [...upload((i) => weights[i]), ...upload(zeros), ...upload(zeros), steps];
  let done = 0;
  await answerSteps({ name: "JAX's lowered step on the same plugin" }, async (count) => {
    const ms: number[] = [];
    const losses: number[] = [];
    for (let k = 0; k < count; k++) {
      const start = performance.now();
      const batch = batches[done % batches.length];
      const tokens = client.bufferFromHost(batch, "s32", [spec.batchSize, spec.contextLength + 1]);
      const outputs = program.execute([...state, tokens]);
      const loss = outputs.pop()!;
      for (const buffer of [...state, tokens]) buffer.destroy();
      state = outputs;
      losses.push((await loss.toHost())[0] as number);
      loss.destroy();
      ms.push(performance.now() - start);
      done++;
    }
    return { ms, losses };
  });
}

void main(process.argv[2]);
