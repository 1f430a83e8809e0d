/**
 * The learning rate that the quickstart's two models share, chosen on the dense one: trains it once for each value and
 * compares the held-out loss, averaged over domains.
 *
 *     npm run bench -- learning-rate
 *
 * Writes `results/tuning/learning-rate.json` and `.md`. Values that are done are not trained again.
 */
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "../backend";
import { ensureCorpus } from "../data";
import { projectFolder } from "../data/project-folder";
import { perplexityByDomain } from "../eval";
import { table, watch } from "../notebook";
import { configJson } from "./config-json";
import { openRun } from "./run";
import { runConfig, type RunConfigInput } from "./run-config";

const LEARNING_RATES = [1e-3, 2e-3, 4e-3, 8e-3, 16e-3];

/** The dense model of the quickstart's `cpu` preset. */
const setting: Omit<RunConfigInput, "optimizer"> = {
  name: "learning-rate",
  corpus: "quickstart",
  seed: 0,
  batchSize: 8,
  trainTokens: 720_000,
  model: { preset: "1m", vocabSize: 8192, contextLength: 256, segmentLength: 32 },
};

async function main(): Promise<void> {
  const root = projectFolder();
  const { backend, device } = await init();
  const corpus = await ensureCorpus(setting.corpus ?? "");
  const rows = [];
  for (const learningRate of LEARNING_RATES) {
    const config = { ...setting, optimizer: { learningRate } };
    const run = await openRun(config, { runsDir: path.join(root, ".cache", "learning-rate") });
    await watch({ [`learning rate ${learningRate}`]: run });
    const params = await run.params();
    const domains = await perplexityByDomain(params, run.config.model, corpus, { maxWindows: 64 });
    tf.dispose(params);
    rows.push({
      "learning rate": learningRate,
      "training loss": run.summary?.lossNats ?? NaN,
      "held-out loss": domains.reduce((sum, { lossNats }) => sum + lossNats, 0) / domains.length,
    });
  }
  const best = rows.reduce((a, b) => (b["held-out loss"] < a["held-out loss"] ? b : a))["learning rate"];
  const shown = table(rows, { digits: { "learning rate": 4, "training loss": 4, "held-out loss": 4 } });
  const folder = path.join(root, "results", "tuning");
  const report = {
    command: "npm run bench -- learning-rate",
    backend,
    device,
    corpus: corpus.hash,
    config: JSON.parse(configJson(runConfig({ ...setting, optimizer: { learningRate: best } }))) as object,
    rows,
    best,
  };
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "learning-rate.json"), `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(
    path.join(folder, "learning-rate.md"),
    `Dense model, ${setting.trainTokens} tokens, nats per token; the best on held-out text is ${best}.\n\n${shown.markdown}\n`,
  );
  console.log(shown.text);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
