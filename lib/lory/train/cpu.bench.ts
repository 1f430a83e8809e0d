/**
 * `npm run bench -- cpu [ROUNDS]`: the whole training step of the small model, dense and with 8 experts, beside JAX on the same processor.
 * Both start from the same weights and see the same batches. They take turns, so that what else the machine does meets both; the ratio
 * of each round is formed from the two medians of that round, and the row is the median over rounds. Written to results/benchmarks/cpu.json.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "lory";
import { modelConfig, type ModelConfig } from "../models";
import { stepScalars } from "./adamw";
import { initialParameters, modelObjective, parameterSpecs } from "./model-objective";
import { PeerProcess, peerPython } from "./peers/peer-process";
import type { OptimizerConfig } from "./run-config";
import { initialState, trainStep } from "./train-step";

const ROOT = path.resolve(__dirname, "../../..");
const BATCH_SIZE = 8;
const NUM_BATCHES = 5;
const STEPS_A_TURN = 3;
const OPTIMIZER: OptimizerConfig = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupFraction: 0,
  finalFraction: 1,
};
const CASES = { "dense step": "bench-small", "8-expert step": "bench-small-8e" } as const;

interface Row {
  readonly case: string;
  readonly ours: number;
  readonly peer: number;
  readonly peerName: string;
  readonly ratio: number;
  readonly ratioRange: readonly [number, number];
  readonly goal: number;
  readonly unit: string;
  readonly lossDifference: number;
}

async function main(rounds: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const python = peerPython(ROOT);
  const rows: Row[] = [];
  for (const [name, preset] of Object.entries(CASES)) {
    const row = await compare(name, modelConfig({ preset }), python, rounds);
    rows.push(row);
    console.log(
      `${row.case}: ${row.ours.toFixed(0)} against ${row.peer.toFixed(0)} ${row.unit} of ${row.peerName}, ratio ${row.ratio.toFixed(3)} (rounds ${row.ratioRange.map((r) => r.toFixed(3)).join(" to ")}), largest loss difference ${row.lossDifference.toExponential(1)}`,
    );
  }
  const environment = {
    device,
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    node: process.version,
    glibcTunables: process.env.GLIBC_TUNABLES ?? "",
    date: new Date().toISOString().slice(0, 10),
    rounds,
    stepsATurn: STEPS_A_TURN,
  };
  const file = path.join(ROOT, "results/benchmarks/cpu.json");
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify({ environment, rows }, null, 2)}\n`);
  console.log(`written: ${path.relative(ROOT, file)}`);
}

async function compare(name: string, model: ModelConfig, python: string, rounds: number): Promise<Row> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-bench-"));
  try {
    const ours = prepare(model, folder);
    const peer = new PeerProcess(python, path.join(__dirname, "peers/jax_step.py"), folder);
    const { name: peerName } = await peer.ready();
    const turns: { ours: number; peer: number }[] = [];
    let lossDifference = 0;
    for (let round = 0; round <= rounds; round++) {
      const mine = await ours(STEPS_A_TURN);
      const theirs = await peer.steps(STEPS_A_TURN);
      mine.losses.forEach((loss, i) => (lossDifference = Math.max(lossDifference, Math.abs(loss - theirs.losses[i]))));
      if (round > 0) turns.push({ ours: median(mine.ms), peer: median(theirs.ms) }); // the first round warms up
    }
    peer.end();
    const tokensPerSecond = (ms: number) => (BATCH_SIZE * model.contextLength * 1000) / ms;
    const ratios = turns.map((turn) => turn.peer / turn.ours);
    return {
      case: name,
      ours: tokensPerSecond(median(turns.map((turn) => turn.ours))),
      peer: tokensPerSecond(median(turns.map((turn) => turn.peer))),
      peerName,
      ratio: median(ratios),
      ratioRange: [Math.min(...ratios), Math.max(...ratios)],
      goal: 0.9,
      unit: "tokens/s",
      lossDifference,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes weights and batches for the peer, and returns what runs our steps. */
function prepare(model: ModelConfig, folder: string) {
  const weights = initialParameters({ model, seed: 1 });
  const values = weights.map((t) => t.dataSync() as Float32Array);
  const length = BATCH_SIZE * (model.contextLength + 1);
  const batches = Array.from({ length: NUM_BATCHES }, (_, i) =>
    Int32Array.from({ length }, (_, j) => Math.imul(i * length + j + 1, 2654435761) >>> 19),
  );
  const { vocabSize } = model;
  for (const batch of batches) for (let j = 0; j < length; j++) batch[j] %= vocabSize;
  const bytes = (arrays: (Float32Array | Int32Array)[]) =>
    Buffer.concat(arrays.map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength)));
  fs.writeFileSync(path.join(folder, "weights.bin"), bytes(values));
  fs.writeFileSync(path.join(folder, "batches.bin"), bytes(batches));
  fs.writeFileSync(
    path.join(folder, "step.json"),
    JSON.stringify({
      ...model,
      batchSize: BATCH_SIZE,
      learningRate: OPTIMIZER.learningRate,
      parameters: parameterSpecs(model),
    }),
  );

  const step = trainStep(modelObjective(model), OPTIMIZER);
  let state = initialState(weights);
  let done = 0;
  return async (count: number) => {
    const ms: number[] = [];
    const losses: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const tokens_BM = tf.tensor2d(batches[done % NUM_BATCHES], [BATCH_SIZE, model.contextLength + 1], "int32");
      const scalars = stepScalars(done + 1, Number.MAX_SAFE_INTEGER, OPTIMIZER);
      const result = step(state, tokens_BM, scalars);
      state = result.state;
      losses.push((await result.lossNats.data())[0]);
      ms.push(performance.now() - start);
      tf.dispose([tokens_BM, { ...scalars }, result.lossNats, result.gradNorm]);
      done++;
    }
    return { ms, losses };
  };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

void main(Number(process.argv[2] ?? 7));
