/** `npm run golden`: trains every golden run on the CPU and writes its losses; a change of them is to be looked at, and explained where it is committed. */
import fs from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import "tfjs-backend-xla";
import { GOLDEN_FILE, GOLDEN_RUNS, trainGolden } from "./golden-runs";

async function main(): Promise<void> {
  await tf.setBackend("xla");
  const losses: Record<string, readonly number[]> = {};
  for (const [name, model] of Object.entries(GOLDEN_RUNS)) {
    losses[name] = (await trainGolden(model)).map((loss) => Number(loss.toFixed(5)));
  }
  const lines = Object.entries(losses).map(([name, values]) => `  ${JSON.stringify(name)}: [${values.join(", ")}]`);
  await fs.writeFile(GOLDEN_FILE, `{\n${lines.join(",\n")}\n}\n`);
  console.log(`wrote ${lines.length} runs to ${GOLDEN_FILE}`);
}

void main();
