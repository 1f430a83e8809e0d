/**
 * `npm run bench -- generation-panel [SWEEP.json] [OUT.json] [RUNS_DIR]`, or with the packed library
 * `bin/node lib/lory/dist/eval/generation-panel.bench.js ...`: the panel of notebooks/05-generation.ipynb. For each seed of the sweep, which is notebooks/05-generation.json
 * without an argument, it trains the dense model and the one with experts, measures how the latter goes on from prompts, and writes what is known so far to
 * results/generation/panel.json. What is trained is not trained again; checkpoints stay where they are.
 */
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "../backend";
import { loadTokenizer, openCorpus } from "../data";
import { sweep } from "../runs";
import { sweepFromJson } from "../runs/sweep-points";
import { deviceName } from "../train/environment";
import { configFromJson } from "../train/config-json";
import { runConfig, type Run } from "../train";
import { generationPanelFile, type GenerationPanel, type PanelSeed } from "./generation-panel";
import { measureGeneration, type TrainedModel } from "./measure-generation";

const MEASURE = { promptLength: 128, maxWindows: 64, batchSize: 32, driftTexts: 8, speedTokens: 128, speedRounds: 7 };

async function main([
  file = "notebooks/05-generation.json",
  out = generationPanelFile(),
  runsDir,
]: string[]): Promise<void> {
  const { backend } = await init();
  const { base, space, seeds = [0] } = sweepFromJson(JSON.parse(fs.readFileSync(file, "utf8")));
  const config = configFromJson(base);
  const corpus = await openCorpus(runConfig(config).corpus);
  const tokenizer = await loadTokenizer(corpus.tokenizer);
  const measured: PanelSeed[] = [];
  fs.mkdirSync(path.dirname(out), { recursive: true });
  for (const seed of seeds) {
    const trained = await sweep(space, { base: config, seeds: [seed], weights: true, runsDir });
    console.log(trained.text);
    const runs = trained.runs.map(({ run }) => run!);
    const dense = runs.find((run) => run.config.model.numExperts === 0)!;
    const experts = runs.find((run) => run.config.model.numExperts > 0)!;
    const models = [await modelOf(dense), await modelOf(experts)] as const;
    const { numExperts } = experts.config.model;
    const counts = Array.from({ length: Math.log2(numExperts) + 1 }, (_, i) => 2 ** i);
    const onPart = (part: string): void => console.log(`seed ${seed}: ${part}`);
    const measures = await measureGeneration(...models, corpus, tokenizer, { ...MEASURE, seed, counts, onPart });
    for (const { params } of models) tf.dispose(params);
    measured.push({
      seed,
      runs: { dense: dense.id, experts: experts.id },
      trainingLossNats: { dense: dense.summary!.lossNats, experts: experts.summary!.lossNats },
      ...measures,
    });
    const { difference, sparse } = measures;
    const losses = sparse.map(({ count, lossNats }) => `${count}: ${lossNats.toFixed(3)}`).join(", ");
    console.log(
      `seed ${seed}: routed once minus re-routed ${difference.total.mean.toFixed(4)} nats; experts kept ${losses}`,
    );
    const where = { device: deviceName(), backend, corpus: corpus.name, corpusHash: corpus.hash };
    const record: GenerationPanel = { ...where, measured };
    fs.writeFileSync(out, `${JSON.stringify(record)}\n`);
  }
  console.log(`written: ${out}`);
}

async function modelOf(run: Run): Promise<TrainedModel> {
  return { params: await run.params(), config: run.config.model };
}

void main(process.argv.slice(2));
