/**
 * `npm run bench -- loop [ROUNDS] [BATCH_SIZE]`: what a run costs over its bare compiled step, for the dense model with 20M parameters in its
 * blocks: loading batches, the loop, records, and checkpoints. The bare step and the run take turns in one process, on the same batches, and swap who
 * begins, so that what else the machine does meets both; the row is the median of the rounds' ratios, and the interval that of this median, at
 * 95 % at least, from their order. Then the bare step and a run that writes checkpoints do the same. A step should take more than a second: of shorter ones
 * a run queues one ahead, which falls into another's turn. Beside the time on the clock stand the processor's, and for how long the main
 * thread was at work in a step, which depend less on what the machine does beside. Written to results/benchmarks/loop.json.
 */
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { median, medianInterval, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { init } from "../backend";
import { ensureCorpus, loadBatches, openCorpus } from "../data";
import { modelConfig } from "../models";
import { freshState } from "./model-objective";
import { librarySteps } from "./peers/library-steps";
import { stepSpec } from "./peers/step-folder";
import { openRun } from "./run";
import type { OpenRunOptions } from "./run-options";

const CORPUS = "quickstart";
const PRESET = "20m";
const STEPS_A_TURN = 1;
const SAVED_STEPS_A_TURN = 2;
const SAVED_ROUNDS = 5;
/** That the bare step takes in turn. */
const BATCHES = 8;
/** Between two checkpoints where nothing else is asked for. */
const SECONDS_BETWEEN_CHECKPOINTS = 300;

/** What a turn took, by step. */
interface Turn {
  readonly clockMs: number;
  readonly processorMs: number;
  /** The main thread was at work. */
  readonly busyMs: number;
}

interface Arm {
  turn(steps: number): Promise<Turn>;
  end(): Promise<void>;
}

interface Row extends BenchmarkRow {
  /** Milliseconds a step for which the main thread was at work, and beside the bare step. */
  readonly busyMs: number;
  readonly bareBusyMs: number;
  /** What the run's own work is of the bare step, in per cent. */
  readonly addedBusyPercent: number;
}

interface CheckpointRow extends Row {
  /** Of the processor, all cores: what a checkpoint adds to the steps that it is written beside. */
  readonly secondsACheckpoint: number;
  /** That, one every five minutes, of the time of all cores. */
  readonly percentOfTraining: number;
}

/** Times turns of a few steps. */
function timed(step: () => Promise<unknown>): (steps: number) => Promise<Turn> {
  return async (steps) => {
    const [start, use, usage] = [performance.now(), performance.eventLoopUtilization(), process.cpuUsage()];
    for (let i = 0; i < steps; i++) await step();
    const { active } = performance.eventLoopUtilization(use);
    const { user, system } = process.cpuUsage(usage);
    return {
      clockMs: (performance.now() - start) / steps,
      processorMs: (user + system) / 1000 / steps,
      busyMs: active / steps,
    };
  };
}

async function bareSteps(batchSize: number): Promise<Arm> {
  const model = modelConfig({ preset: PRESET });
  const spec = stepSpec(model, batchSize, "f32");
  const read = loadBatches(await openCorpus(CORPUS), { batchSize, contextLength: model.contextLength, seed: 0 });
  const batches: Int32Array[] = [];
  for await (const { tokens_BM } of read) if (batches.push(tokens_BM) === BATCHES) break;
  const steps = librarySteps({ spec, batches }, await freshState({ model, seed: 0 }));
  await steps.prepare();
  return {
    turn: timed(() => steps.run(1)),
    end: () => {
      steps.dispose();
      return Promise.resolve();
    },
  };
}

async function runSteps(name: string, batchSize: number, options: OpenRunOptions): Promise<Arm> {
  const config = { name, corpus: CORPUS, batchSize, trainTokens: 2 ** 31, model: { preset: PRESET } as const };
  const run = await openRun({ ...config, optimizer: { learningRate: 1e-3 } }, options);
  const steps = run.train();
  return { turn: timed(() => steps.next()), end: async () => void (await steps.return()) };
}

/** Turns of the bare step and of a run, by round. The first round, which compiles, is not among them. */
async function inTurns(bare: Arm, run: Arm, rounds: number, steps: number): Promise<{ bare: Turn; run: Turn }[]> {
  const turns: { bare: Turn; run: Turn }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const early = round % 2 === 0 ? undefined : await run.turn(steps);
    const ofBare = await bare.turn(steps);
    const turn = { bare: ofBare, run: early ?? (await run.turn(steps)) };
    if (round > 0) turns.push(turn);
  }
  return turns;
}

function rowOf(
  name: string,
  turns: readonly { bare: Turn; run: Turn }[],
  which: "clockMs" | "processorMs",
  goal: number,
): Row {
  const of = (arm: "bare" | "run", what: keyof Turn): number => median(turns.map((turn) => turn[arm][what]));
  const values = turns.map(({ bare, run }) => bare[which] / run[which]);
  const [busyMs, bareBusyMs] = [of("run", "busyMs"), of("bare", "busyMs")];
  return {
    case: `${name}, ${which === "clockMs" ? "on the clock" : "time of the processor"}`,
    ours: of("run", which),
    peer: of("bare", which),
    peerName: "the bare compiled step",
    ...ratios(values),
    medianInterval: medianInterval(values),
    goal,
    unit: "ms",
    busyMs,
    bareBusyMs,
    addedBusyPercent: (100 * (busyMs - bareBusyMs)) / of("bare", "clockMs"),
  };
}

async function main(rounds: number, batchSize: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  await ensureCorpus(CORPUS);
  const runsDir = await fs.mkdtemp(path.join(os.tmpdir(), "lory-loop-"));
  const never = { steps: Number.MAX_SAFE_INTEGER, minutes: 1e6 };
  const often = { ...never, steps: SAVED_STEPS_A_TURN };
  const bare = await bareSteps(batchSize);
  const arms = [bare];
  try {
    const run = await runSteps("loop", batchSize, { runsDir, checkpointEvery: never });
    arms.push(run);
    const turns = await inTurns(bare, run, rounds, STEPS_A_TURN);
    const saved = await runSteps("saved", batchSize, { runsDir, checkpointEvery: often, keepCheckpoints: { last: 1 } });
    arms.push(saved);
    const savedTurns = await inTurns(bare, saved, SAVED_ROUNDS, SAVED_STEPS_A_TURN);
    const name = "a run: data, loop and records";
    const added = median(savedTurns.map((turn) => turn.run.processorMs - turn.bare.processorMs));
    const secondsACheckpoint = (added * SAVED_STEPS_A_TURN) / 1000;
    const rows: (Row | CheckpointRow)[] = [
      rowOf(name, turns, "clockMs", 0.97),
      rowOf(name, turns, "processorMs", 0.97),
      {
        // So often, it costs what it may: what counts is the share of five minutes.
        ...rowOf(`a run with a checkpoint every ${SAVED_STEPS_A_TURN} steps`, savedTurns, "clockMs", 0),
        secondsACheckpoint,
        percentOfTraining: (100 * secondsACheckpoint) / (SECONDS_BETWEEN_CHECKPOINTS * os.availableParallelism()),
      },
    ];
    for (const { case: what, ours, peer, unit, ratio, medianInterval: interval, addedBusyPercent } of rows) {
      const between = interval?.map((each) => each.toFixed(3)).join(" to ") ?? "";
      console.log(
        `${what}: ${ours.toFixed(0)} against ${peer.toFixed(0)} ${unit}, ratio ${ratio.toFixed(3)} (${between}); ` +
          `the main thread's own work is ${addedBusyPercent.toFixed(2)} % of a step`,
      );
    }
    console.log(`a checkpoint adds ${secondsACheckpoint.toFixed(2)} s of the processor`);
    writeBenchmark("loop", { device, preset: PRESET, batchSize, rounds, stepsATurn: STEPS_A_TURN }, rows);
  } finally {
    for (const arm of arms) await arm.end();
    await fs.rm(runsDir, { recursive: true });
  }
}

const [rounds = "25", batchSize = "2"] = process.argv.slice(2);
void main(Number(rounds), Number(batchSize));
