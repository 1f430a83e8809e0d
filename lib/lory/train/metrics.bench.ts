/**
 * `npm run bench -- metrics [ROUNDS]`: what all that a step records costs: the statistics of routing and of experts, computed on the device, read,
 * turned into a record and written as a line, beside the same step that gives its loss alone. The two take turns, and swap who begins; the
 * interval is that of the median of the rounds' ratios, at 95 % at least, from their order. Written to results/benchmarks/metrics.json.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { median, medianInterval, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { init } from "../backend";
import { expertLayers, modelConfig, type ModelConfig } from "../models";
import { stepScalars } from "./adamw";
import { expertDistances, measuresDistance } from "./expert-metrics";
import type { StepMetrics } from "./metrics";
import { openMetricsLog } from "./metrics-log";
import { freshState, modelObjective, parameterSpecs } from "./model-objective";
import { mfuPercent } from "./peak-flops";
import { OPTIMIZER } from "./peers/step-folder";
import { routingRecord } from "./routing-metrics";
import type { RowLog } from "./row-log";
import { reportedTensors, trainStep, type Objective, type StepResult, type TrainState } from "./train-step";

const BATCH_SIZE = 1;
const STEPS_A_TURN = 1;
const CASES = ["bench-small-8e"] as const;
/** Behind the steps in which experts are new and their distance is measured each time. */
const FIRST_STEP = 101;

/** The model's objective without anything that is only looked at: what is not asked for is not compiled. */
function bareObjective(objective: Objective): Objective {
  return {
    ...objective,
    routerGradNorms: () => undefined,
    losses: (params, tokens_BM, inputs) => {
      const { routingSums, ...losses } = objective.losses(params, tokens_BM, inputs);
      routingSums?.dispose();
      return losses;
    },
  };
}

/** What a step took: on the clock, and of the processor, which other programs on the machine disturb less. */
interface Duration {
  readonly clockMs: number;
  readonly processorMs: number;
}

/** Steps of one way to train. */
interface Trainer {
  run(count: number): Promise<Duration[]>;
  dispose(): Promise<void>;
}

async function trainer(model: ModelConfig, log: RowLog<StepMetrics> | undefined): Promise<Trainer> {
  const specs = parameterSpecs(model);
  const objective = modelObjective(model, specs);
  const step = trainStep(log === undefined ? bareObjective(objective) : objective, OPTIMIZER);
  const distances = jit((params: readonly tf.Tensor[]) => expertDistances(specs, params), { name: "expert distances" });
  const ids = Array.from({ length: BATCH_SIZE * (model.contextLength + 1) }, (_, i) => (i * 7919) % model.vocabSize);
  const recorded: StepMetrics[] = [];
  let state: TrainState = await freshState({ model, seed: 0 });
  let done = FIRST_STEP - 1;

  async function record(number: number, result: StepResult, startMs: number, ofExperts?: tf.Tensor): Promise<void> {
    const [[lossNats], [gradNorm], norms, sums, apart] = await Promise.all([
      result.lossNats.data(),
      result.gradNorm.data(),
      result.experts.routerGradNorms?.data(),
      result.routingSums?.data(),
      ofExperts?.data(),
    ]);
    const tokens = BATCH_SIZE * model.contextLength;
    const tokensPerSecond = (1000 * tokens) / (performance.now() - startMs);
    const metrics: StepMetrics = {
      ...{ step: number, tokens: number * tokens, epoch: 0, learningRate: 1e-3, secondsLeft: 1 },
      ...{ lossNats, gradNorm, tokensPerSecond, mfuPercent: mfuPercent(model, tokensPerSecond, 1e15) },
      ...(norms && { routerGradNorms: [...norms] }),
      ...(apart && { expertDistances: [...apart] }),
      ...(sums && routingRecord(number, sums, expertLayers(model).length, recorded)),
    };
    recorded.push(metrics);
    await log?.append(metrics);
  }

  async function once(): Promise<Duration> {
    const [startMs, startUsage] = [performance.now(), process.cpuUsage()];
    const number = ++done;
    const tokens_BM = tf.tensor2d(ids, [BATCH_SIZE, model.contextLength + 1], "int32");
    const scalars = stepScalars(number, Number.MAX_SAFE_INTEGER, OPTIMIZER);
    const isMeasured = log !== undefined && model.numExperts > 0 && measuresDistance(number);
    const ofExperts = isMeasured ? distances(state.params) : undefined;
    const result = step(state, tokens_BM, scalars);
    state = result.state;
    if (log === undefined) await result.lossNats.data();
    else await record(number, result, startMs, ofExperts);
    const { user, system } = process.cpuUsage(startUsage);
    const duration = { clockMs: performance.now() - startMs, processorMs: (user + system) / 1000 };
    tf.dispose([tokens_BM, { ...scalars }, reportedTensors(result), ofExperts ?? []]);
    return duration;
  }

  return {
    run: async (count) => {
      const durations: Duration[] = [];
      for (let i = 0; i < count; i++) durations.push(await once());
      return durations;
    },
    dispose: async () => {
      tf.dispose({ ...state });
      await log?.close();
    },
  };
}

async function measure(name: (typeof CASES)[number], rounds: number, folder: string): Promise<BenchmarkRow[]> {
  const model = modelConfig({ preset: name });
  const log = await openMetricsLog(path.join(folder, `${name}.jsonl`), []);
  const [bare, full] = [await trainer(model, undefined), await trainer(model, log)];
  for (const each of [bare, full]) await each.run(2); // compiling is in the first
  const turns: { bare: Duration[]; full: Duration[] }[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) turns.push({ bare: await bare.run(STEPS_A_TURN), full: await full.run(STEPS_A_TURN) });
    else {
      const first = await full.run(STEPS_A_TURN);
      turns.push({ bare: await bare.run(STEPS_A_TURN), full: first });
    }
  }
  await bare.dispose();
  await full.dispose();
  return (["clockMs", "processorMs"] as const).map((which): BenchmarkRow => {
    const of = (durations: readonly Duration[]): number => median(durations.map((each) => each[which]));
    const values = turns.map((turn) => of(turn.bare) / of(turn.full));
    return {
      case: `${name}, all metrics, ${which === "clockMs" ? "on the clock" : "time of the processor"}`,
      ours: median(turns.map((turn) => of(turn.full))),
      peer: median(turns.map((turn) => of(turn.bare))),
      peerName: "the step with its loss alone",
      ...ratios(values),
      medianInterval: medianInterval(values),
      goal: 0.98,
      unit: "ms",
    };
  });
}

async function main(rounds: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-metrics-"));
  try {
    const rows: BenchmarkRow[] = [];
    for (const name of CASES) {
      rows.push(...(await measure(name, rounds, folder)));
    }
    for (const row of rows) console.log(JSON.stringify(row));
    writeBenchmark("metrics", { device, rounds, stepsATurn: STEPS_A_TURN, batchSize: BATCH_SIZE }, rows);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const [rounds = "25"] = process.argv.slice(2);
void main(Number(rounds));
