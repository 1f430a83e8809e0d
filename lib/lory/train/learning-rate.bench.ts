/**
 * The learning rate that the quickstart's two models share, chosen on the dense one: trains it for each value with three
 * seeds and compares the held-out loss, averaged over domains and seeds.
 *
 *     npm run bench -- learning-rate
 *
 * Writes `results/tuning/learning-rate.json` and `.md`. What is done is not trained again. On a GPU (`XLA_DEVICE=cuda`) it
 * takes a minute, on two cores an hour.
 */
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "../backend";
import { ensureCorpus } from "../data";
import { projectFolder } from "../data/project-folder";
import { perplexityByDomain } from "../eval";
import { formatCount, table, watch } from "../notebook";
import { configJson } from "./config-json";
import { openRun } from "./run";
import { runConfig, type RunConfigInput } from "./run-config";

const LEARNING_RATES = [5e-4, 1e-3, 2e-3, 4e-3, 8e-3];
const SEEDS = [0, 1, 2];

/** The dense model of the quickstart's `cpu` preset. */
const setting: Omit<RunConfigInput, "optimizer" | "seed"> = {
  name: "learning-rate",
  corpus: "quickstart",
  batchSize: 4,
  trainTokens: 720_000,
  model: { preset: "1m", vocabSize: 8192, contextLength: 256, segmentLength: 32 },
};

async function main(): Promise<void> {
  const root = projectFolder();
  const { backend, device } = await init();
  const corpus = await ensureCorpus(setting.corpus ?? "");
  const rows = [];
  for (const learningRate of LEARNING_RATES) {
    const results: { readonly training: number; readonly heldOut: number }[] = [];
    for (const seed of SEEDS) {
      const config = { ...setting, seed, optimizer: { learningRate } };
      const run = await openRun(config, { runsDir: path.join(root, ".cache", "learning-rate") });
      await watch({ [`learning rate ${learningRate}, seed ${seed}`]: run });
      const params = await run.params();
      const domains = await perplexityByDomain(params, run.config.model, corpus, { maxWindows: 64 });
      tf.dispose(params);
      results.push({
        training: run.summary?.lossNats ?? NaN,
        heldOut: meanOf(domains.map(({ lossNats }) => lossNats)),
      });
    }
    rows.push({
      "learning rate": learningRate,
      "training loss": meanOf(results.map(({ training }) => training)),
      "held-out loss": meanOf(results.map(({ heldOut }) => heldOut)),
      ...Object.fromEntries(SEEDS.map((seed, i) => [`held-out, seed ${seed}`, results[i].heldOut])),
    });
  }
  const best = rows.reduce((a, b) => (b["held-out loss"] < a["held-out loss"] ? b : a))["learning rate"];
  const digits = Object.fromEntries(Object.keys(rows[0]).map((column) => [column, 4]));
  const shown = table(rows, { digits });
  const folder = path.join(root, "results", "tuning");
  const report = {
    command: "npm run bench -- learning-rate",
    backend,
    device,
    corpus: corpus.hash,
    config: JSON.parse(configJson(runConfig({ ...setting, optimizer: { learningRate: best } }))) as object,
    seeds: SEEDS,
    rows,
    best,
  };
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "learning-rate.json"), `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(
    path.join(folder, "learning-rate.md"),
    `Dense model, ${formatCount(setting.trainTokens)} tokens, nats per token, means over ${SEEDS.length} seeds; best on held-out text: ${best}.\n\n${shown.markdown}\n`,
  );
  console.log(shown.text);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
