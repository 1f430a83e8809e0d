/** This library's training step on another backend of tfjs, as a peer: ts-node tfjs_step.ts FOLDER tensorflow|wasm|cpu */
import { init, type BackendName } from "lory";
import { answerSteps } from "./answer-steps";
import { givenState, librarySteps } from "./library-steps";
import { readStepInput } from "./step-folder";

async function main(folder: string, backend: BackendName): Promise<void> {
  const { device } = await init({ backend });
  const name = backend === "tensorflow" ? `tfjs-node 4.22.0, ${device}` : `tfjs 4.22.0 ${device}`;
  const input = readStepInput(folder);
  const steps = librarySteps(input, givenState(input));
  await answerSteps({ name }, (count) => steps.run(count));
}

void main(process.argv[2], process.argv[3] as BackendName);
