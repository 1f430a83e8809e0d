/**
 * `npm run bench -- loop [ROUNDS] [BATCH_SIZE]`: what a run costs over its bare compiled step, for the dense model with 20M parameters in its
 * blocks: loading batches, the loop, records, and checkpoints. A bare step, a run and a run that writes checkpoints take turns in one process, so
 * that what else the machine does meets all; the ratio of each round is formed from that round's turns, and the row is the median over rounds. A
 * step should take more than a second: of shorter ones a run queues one ahead, which falls into another's turn. Beside it stands for how long
 * the main thread was at work in a step: unlike the time that a step takes, it does not depend on what the machine does beside. Written to
 * results/benchmarks/loop.json.
 */
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { init } from "../backend";
import { ensureCorpus } from "../data";
import { modelConfig } from "../models";
import { freshState } from "./model-objective";
import { librarySteps } from "./peers/library-steps";
import { batchesOf, madeUpTokens, stepSpec } from "./peers/step-folder";
import { openRun } from "./run";
import type { OpenRunOptions } from "./run-options";

const CORPUS = "quickstart";
const PRESET = "20m";
const STEPS_A_TURN = 2;
/** Between two checkpoints where nothing else is asked for. */
const SECONDS_BETWEEN_CHECKPOINTS = 300;

/** What a turn took, by step. */
interface Turn {
  readonly ms: number;
  /** The main thread was at work. */
  readonly busyMs: number;
}

interface Arm {
  turn(): Promise<Turn>;
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
  /** What a checkpoint adds to the steps that it is written beside. */
  readonly secondsACheckpoint: number;
  /** That, one every five minutes. */
  readonly percentOfTraining: number;
}

/** Times turns of a few steps. */
function timed(step: () => Promise<unknown>): () => Promise<Turn> {
  return async () => {
    const [start, use] = [performance.now(), performance.eventLoopUtilization()];
    for (let i = 0; i < STEPS_A_TURN; i++) await step();
    const { active } = performance.eventLoopUtilization(use);
    return { ms: (performance.now() - start) / STEPS_A_TURN, busyMs: active / STEPS_A_TURN };
  };
}

async function bareSteps(batchSize: number): Promise<Arm> {
  const model = modelConfig({ preset: PRESET });
  const spec = stepSpec(model, batchSize, "f32");
  const batches = batchesOf(madeUpTokens(model, batchSize), spec);
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

async function main(rounds: number, batchSize: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  await ensureCorpus(CORPUS);
  const runsDir = await fs.mkdtemp(path.join(os.tmpdir(), "lory-loop-"));
  const never = { steps: Number.MAX_SAFE_INTEGER, minutes: 1e6 };
  const arms = {
    bare: await bareSteps(batchSize),
    run: await runSteps("loop", batchSize, { runsDir, checkpointEvery: never }),
    saved: await runSteps("saved", batchSize, {
      runsDir,
      checkpointEvery: { ...never, steps: STEPS_A_TURN },
      keepCheckpoints: { last: 1 },
    }),
  };
  try {
    const turns: Record<keyof typeof arms, Turn>[] = [];
    for (let round = 0; round <= rounds; round++) {
      const [bare, run, saved] = [await arms.bare.turn(), await arms.run.turn(), await arms.saved.turn()];
      if (round > 0) turns.push({ bare, run, saved }); // the first round compiles
    }
    const tokens = batchSize * modelConfig({ preset: PRESET }).contextLength;
    const rowOf = (name: string, arm: "run" | "saved"): Row => {
      const of = (key: keyof typeof arms, what: keyof Turn): number => median(turns.map((turn) => turn[key][what]));
      const [busyMs, bareBusyMs] = [of(arm, "busyMs"), of("bare", "busyMs")];
      return {
        case: name,
        ours: (1000 * tokens) / of(arm, "ms"),
        peer: (1000 * tokens) / of("bare", "ms"),
        peerName: "the bare compiled step",
        ...ratios(turns.map((turn) => turn.bare.ms / turn[arm].ms)),
        goal: 0.97,
        unit: "tokens/s",
        busyMs,
        bareBusyMs,
        addedBusyPercent: (100 * (busyMs - bareBusyMs)) / of("bare", "ms"),
      };
    };
    const added = median(turns.map(({ run, saved }) => saved.ms - run.ms));
    const secondsACheckpoint = (added * STEPS_A_TURN) / 1000;
    const rows: (Row | CheckpointRow)[] = [
      rowOf("a run: data, loop and records", "run"),
      {
        ...rowOf(`a run with a checkpoint every ${STEPS_A_TURN} steps`, "saved"),
        // So often, it costs what it may: what counts is the share of five minutes.
        goal: 0,
        secondsACheckpoint,
        percentOfTraining: (100 * secondsACheckpoint) / SECONDS_BETWEEN_CHECKPOINTS,
      },
    ];
    for (const row of rows) {
      const [least, most] = row.ratioRange ?? [NaN, NaN];
      console.log(
        `${row.case}: ${row.ours.toFixed(0)} against ${row.peer.toFixed(0)} ${row.unit}, ratio ${row.ratio.toFixed(3)} ` +
          `(rounds ${least.toFixed(3)} to ${most.toFixed(3)}); its own work is ${row.addedBusyPercent.toFixed(2)} % of a step`,
      );
    }
    console.log(`a checkpoint adds ${secondsACheckpoint.toFixed(2)} s`);
    writeBenchmark("loop", { device, preset: PRESET, batchSize, rounds, stepsATurn: STEPS_A_TURN }, rows);
  } finally {
    for (const arm of Object.values(arms)) await arm.end();
    await fs.rm(runsDir, { recursive: true });
  }
}

const [rounds = "5", batchSize = "2"] = process.argv.slice(2);
void main(Number(rounds), Number(batchSize));
