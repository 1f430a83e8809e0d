/**
 * `npm run bench -- leak [CORPUS] [PRESET] [TRAIN_TOKENS] [BATCH_SIZE] [PRECISION] [SEGMENT_LENGTHS] [SEEDS]`, or with the packed library
 * `bin/node lib/lory/dist/eval/leak/leak.bench.js ...`: what the paper's first segment gains from the future on text, over T and seeds. For each it
 * trains the paper's rule and two strict twins on the same batches, measures on first segments of held-out documents, and writes what is known
 * so far to results/leak/<corpus>-<preset>.json. Runs go to results/runs, and are not trained again.
 */
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "../../backend";
import { openCorpus, type Corpus } from "../../data";
import type { PresetName } from "../../models";
import { openRun, type Run } from "../../train";
import type { Interval } from "../bootstrap";
import type { Leak } from "./leak";
import { leakBySwap } from "./swap";
import { leakByTwin } from "./twin";

const PAPER = "own_stop_gradient";
const TWINS = ["uniform", "dense_expert"] as const;
type Rule = typeof PAPER | (typeof TWINS)[number];
const MEASURE = { maxDocuments: 64, batchSize: 64, donors: 4 } as const;
const LEARNING_RATE = 1e-3;

interface Measured {
  readonly segmentLength: number;
  readonly seed: number;
  readonly documents: number;
  /** Mean training loss over the last tenth of the steps, by rule. */
  readonly trainingLossNats: Readonly<Record<string, number>>;
  readonly runs: Readonly<Record<string, string>>;
  /** Nats a token of the first segment, with the bootstrap interval over documents. */
  readonly firstSegment: Readonly<Record<string, Interval>>;
}

async function main([
  corpusName = "quickstart",
  preset = "1m-8e",
  trainTokens = "720000",
  batchSize = "4",
  precision = "f32",
  segmentLengths = "16,32,64",
  seeds = "0",
]: string[]): Promise<void> {
  const { device } = await init();
  const corpus = await openCorpus(corpusName);
  const file = path.join("results/leak", `${corpus.name}-${preset}.json`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const measured: Measured[] = [];
  for (const seed of seeds.split(",").map(Number)) {
    for (const segmentLength of segmentLengths.split(",").map(Number)) {
      const open = (firstSegmentRule: Rule): Promise<Run> =>
        openRun({
          name: `leak-${firstSegmentRule}-t${segmentLength}`,
          corpus: corpusName,
          seed,
          batchSize: Number(batchSize),
          trainTokens: Number(trainTokens),
          precision: precision as "f32" | "bf16",
          model: { preset: preset as PresetName, vocabSize: corpus.vocabSize, segmentLength, firstSegmentRule },
          optimizer: { learningRate: LEARNING_RATE },
        });
      const result = await measure(open, corpus, segmentLength, seed);
      measured.push(result);
      console.log(line(result));
      const record = { device, corpus: corpus.name, corpusHash: corpus.hash, preset, precision, ...MEASURE, measured };
      fs.writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
    }
  }
  console.log(`written: ${file}`);
}

async function measure(
  open: (rule: Rule) => Promise<Run>,
  corpus: Corpus,
  segmentLength: number,
  seed: number,
): Promise<Measured> {
  const runs = await trained(open);
  const modelOf = async (rule: Rule) => ({
    params: await runs[rule].params(),
    config: runs[rule].config.model,
  });
  // The first segment reads itself alone, so that a window need not be longer.
  const options = { ...MEASURE, length: segmentLength, seed };
  const paper = await modelOf(PAPER);
  const { unknownFuture, wrongFuture } = await leakBySwap(paper, corpus, options);
  const leaks: Record<string, Leak> = { "unknown future": unknownFuture, "wrong future": wrongFuture };
  for (const rule of TWINS) {
    const twin = await modelOf(rule);
    leaks[`twin, ${rule}`] = await leakByTwin(paper, twin, corpus, options);
    tf.dispose(twin.params);
  }
  tf.dispose(paper.params);
  const ofRuns = <T>(of: (run: Run) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(runs).map(([rule, run]) => [rule, of(run)]));
  return {
    segmentLength,
    seed,
    documents: unknownFuture.total.documents,
    trainingLossNats: ofRuns((run) => run.summary!.lossNats),
    runs: ofRuns(({ id }) => id),
    firstSegment: Object.fromEntries(Object.entries(leaks).map(([name, { total }]) => [name, total.firstSegment])),
  };
}

/** The runs of all rules, one trained after the other. */
async function trained(open: (rule: Rule) => Promise<Run>): Promise<Record<Rule, Run>> {
  const train = async (rule: Rule): Promise<Run> => {
    const run = await open(rule);
    for await (const { step, lossNats } of run.train()) {
      if (step === 1) console.log(`${run.id} begins at ${lossNats.toFixed(3)} nats`);
    }
    return run;
  };
  return {
    own_stop_gradient: await train("own_stop_gradient"),
    uniform: await train("uniform"),
    dense_expert: await train("dense_expert"),
  };
}

function line({ segmentLength, seed, documents, trainingLossNats, firstSegment }: Measured): string {
  const intervals = Object.entries(firstSegment).map(
    ([name, { mean, low, high }]) => `${name} ${mean.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`,
  );
  const losses = Object.entries(trainingLossNats).map(([rule, loss]) => `${rule} ${loss.toFixed(3)}`);
  return `T = ${segmentLength}, seed ${seed}, ${documents} documents: ${intervals.join(", ")}; trained to ${losses.join(", ")}`;
}

void main(process.argv.slice(2));
