/**
 * `npm run bench -- modes [STEPS] [PRESET] [BATCH_SIZE] [PRECISION]`, or with the packed library `bin/node lib/lory/dist/train/modes.bench.js ...`:
 * the whole training step with 8 experts in every routing mode, beside the dense model whose FFN is one expert. What is aimed at is the
 * dense model's rate of floating-point operations, of those that are of use: a mode that gives a token two experts has more to do. Each
 * model has a process of its own. Written to results/benchmarks/modes-<device>.json.
 */
import { execFileSync } from "node:child_process";
import { openDevice } from "tfjs-backend-xla";
import { deviceLabel, median, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { init } from "../backend";
import { computedFfnFlopsPerToken, flopsPerToken, modelConfig, type ModelConfig, type PresetName } from "../models";
import type { MergeMemory } from "../moe";
import { freshState } from "./model-objective";
import { librarySteps } from "./peers/library-steps";
import { TS_NODE } from "./peers/own-program";
import { batchesOf, madeUpTokens, stepSpec } from "./peers/step-folder";
import type { RunConfig } from "./run-config";

/** The argument with which this program starts itself to measure one model. */
const ONCE = "once";
const WARM_UP_STEPS = 3;

interface Arm {
  readonly name: string;
  readonly model: Partial<ModelConfig>;
  readonly merges?: MergeMemory;
}

const ARMS: readonly Arm[] = [
  { name: "causal_segment", model: {} },
  { name: "causal_segment, merges recomputed", model: {}, merges: "recompute" },
  { name: "running_mean", model: { routingMode: "running_mean" } },
  { name: "whole_sequence", model: { routingMode: "whole_sequence" } },
  { name: "segment_and_token", model: { routingMode: "segment_and_token", numExpertsPerTok: 1, normTopkProb: false } },
  { name: "expert_choice of segments", model: { routingMode: "expert_choice" } },
  { name: "expert_choice of tokens", model: { routingMode: "expert_choice", expertChoiceUnit: "token" } },
  { name: "token_choice, top 1", model: { routingMode: "token_choice", numExpertsPerTok: 1, normTopkProb: false } },
  { name: "token_choice, top 2", model: { routingMode: "token_choice", numExpertsPerTok: 2 } },
  { name: "document_pool, top 2 of 4", model: { routingMode: "document_pool", numExpertsPerTok: 2 } },
  { name: "remoe", model: { routingMode: "remoe" } },
];

/** What one model is measured with. */
interface Job {
  readonly model: ModelConfig;
  readonly merges: MergeMemory;
  readonly batchSize: number;
  readonly precision: RunConfig["precision"];
  readonly steps: number;
}

interface Measured {
  readonly device: string;
  readonly compileSeconds: number;
  readonly ms: number;
  readonly lastLoss: number;
  readonly peakBytes: number | null;
}

function main([steps = "10", preset = "5m", batchSize = "4", precision = "f32"]: string[]): void {
  const rest = { batchSize: Number(batchSize), precision: precision as Job["precision"], steps: Number(steps) };
  const dense = modelConfig({ preset: preset as PresetName, numExperts: 0 });
  const title = `${preset}, 8 experts, ${batchSize} sequences of ${dense.contextLength}`;
  const peer = measure({ ...rest, model: dense, merges: "keep" });
  if (peer === undefined) throw new Error("the dense model could not be measured: see above");
  const rate = ({ ms }: Measured): number => (rest.batchSize * dense.contextLength * 1000) / ms;
  report("dense", peer, rate(peer));
  const rows: BenchmarkRow[] = [];
  for (const { name, model: keys, merges = "keep" } of ARMS) {
    const model = modelConfig({ preset: preset as PresetName, numExperts: 8, ...keys });
    const measured = measure({ ...rest, model, merges });
    if (measured === undefined) continue;
    report(name, measured, rate(measured));
    rows.push({
      case: `${title}: ${name}`,
      ours: rate(measured),
      peer: rate(peer),
      peerName: "the dense model",
      ratio: peer.ms / measured.ms,
      goal: flopsPerToken(dense).training / flopsPerToken(model).training,
      unit: "tokens/s",
      computedFfn: computedFfnFlopsPerToken(model, rest.batchSize) / flopsPerToken(model).ffn,
      compileSeconds: measured.compileSeconds,
      peakGiB: (measured.peakBytes ?? NaN) / 2 ** 30,
      lastLoss: measured.lastLoss,
    } as BenchmarkRow);
  }
  writeBenchmark(`modes-${deviceLabel(peer.device)}`, { device: peer.device, steps, precision }, rows);
}

/** In a process of its own; undefined, with its message, where that fails, as for want of memory. */
function measure(job: Job): Measured | undefined {
  try {
    const args = [...TS_NODE, __filename, ONCE, JSON.stringify(job)];
    const output = execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    return JSON.parse(output.trim().split("\n").pop()!) as Measured;
  } catch (error) {
    console.log(
      `${job.model.routingMode} failed: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`,
    );
    return undefined;
  }
}

function report(name: string, { ms, compileSeconds, lastLoss, peakBytes }: Measured, rate: number): void {
  const gigabytes = ((peakBytes ?? NaN) / 2 ** 30).toFixed(1);
  console.log(
    `${name}: ${rate.toFixed(0)} tokens/s (${ms.toFixed(1)} ms), compiled in ${compileSeconds.toFixed(1)} s, peak ${gigabytes} GiB, last loss ${lastLoss.toFixed(4)}`,
  );
}

async function once({ model, merges, batchSize, precision, steps: count }: Job): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const spec = stepSpec(model, batchSize, precision);
  const batches = batchesOf(madeUpTokens(model, batchSize), spec);
  const steps = librarySteps({ spec, batches }, await freshState({ model, seed: 1 }), merges);
  const begin = performance.now();
  await steps.prepare();
  const compileSeconds = (performance.now() - begin) / 1000;
  await steps.run(WARM_UP_STEPS);
  const { ms, losses } = await steps.run(count);
  const peakBytes = openDevice().client.devices[0].memoryStats()?.peakBytesInUse ?? null;
  const measured: Measured = { device, compileSeconds, ms: median(ms), lastLoss: losses[losses.length - 1], peakBytes };
  console.log(JSON.stringify(measured));
}

void (process.argv[2] === ONCE ? once(JSON.parse(process.argv[3]) as Job) : main(process.argv.slice(2)));
