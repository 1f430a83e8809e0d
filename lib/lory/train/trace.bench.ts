/**
 * `npm run bench -- trace`: what it takes to trace the training step of the paper's 0.3B model with 8 experts, 24 layers with gradients
 * and AdamW, and to lower it to StableHLO, beside JAX lowering the same step. Nothing is executed and no parameter has memory. The
 * first trace of a process is what a user waits for; each repetition is a new process. Written to results/benchmarks/trace.json.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "lory";
import { median, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { modelConfig } from "../models";
import { stepScalars } from "./adamw";
import { initialParameters, modelObjective } from "./model-objective";
import { jaxPython } from "./peers/python";
import { OPTIMIZER, writeSpec } from "./peers/step-folder";
import { initialState, trainStep } from "./train-step";

const ROOT = path.resolve(__dirname, "../../..");
const MODEL = modelConfig({ preset: "0.3b-8e" });
const BATCH_SIZE = 8;
const CASE = "step of 24 layers, 8 experts, 8 sequences of 4096";
const GOAL = { seconds: 2, gigabytes: 1.5 };
/** The argument with which this program starts itself to trace once. */
const ONCE = "once";

/** What tracing and lowering took in a process of its own. */
interface Lowering {
  readonly name: string;
  readonly seconds: number;
  /** The largest size of the process, all in all. */
  readonly maxRssBytes: number;
}

async function main(repetitions: number): Promise<void> {
  await init({ backend: "xla" });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-bench-"));
  try {
    writeSpec(folder, MODEL, BATCH_SIZE);
    const node = ["--require", path.join(ROOT, "node_modules/ts-node/register/transpile-only.js"), __filename, ONCE];
    const jax = [path.join(__dirname, "peers/jax_lower.py"), folder];
    const rounds = Array.from({ length: repetitions }, () => ({
      ours: lowering(process.execPath, node),
      peer: lowering(jaxPython(ROOT), jax),
    }));
    const row = (unit: string, goal: number, of: (lowering: Lowering) => number): BenchmarkRow => {
      const [ours, peer] = [median(rounds.map((r) => of(r.ours))), median(rounds.map((r) => of(r.peer)))];
      return { case: CASE, ours, peer, peerName: rounds[0].peer.name, ratio: peer / ours, goal, goalOf: "ours", unit };
    };
    const rows = [
      row("s", GOAL.seconds, ({ seconds }) => seconds),
      row("GB", GOAL.gigabytes, ({ maxRssBytes }) => maxRssBytes / 1e9),
    ];
    for (const { ours, peer, peerName, goal, unit } of rows)
      console.log(`${ours.toFixed(2)} ${unit}, goal at most ${goal}; ${peerName}: ${peer.toFixed(2)}`);
    writeBenchmark("trace", { repetitions }, rows);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The report of a program that lowers once. */
function lowering(command: string, args: readonly string[]): Lowering {
  const output = execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(output.trim().split("\n").pop()!) as Lowering;
}

/** Traces and lowers once, and reports. */
async function once(): Promise<void> {
  await init({ backend: "xla" });
  const state = initialState(initialParameters({ model: MODEL, seed: 1 })); // recorded, not drawn
  const tokens_BM = tf.zeros<tf.Rank.R2>([BATCH_SIZE, MODEL.contextLength + 1], "int32");
  const step = trainStep(modelObjective(MODEL), OPTIMIZER);
  const start = performance.now();
  const program = step.lower(state, tokens_BM, stepScalars(1, Number.MAX_SAFE_INTEGER, OPTIMIZER));
  const seconds = (performance.now() - start) / 1000;
  if (program === undefined) throw new Error("xla gave no program");
  const report: Lowering = { name: "xla", seconds, maxRssBytes: process.resourceUsage().maxRSS * 1024 };
  console.log(JSON.stringify(report));
}

void (process.argv[2] === ONCE ? once() : main(Number(process.argv[2] ?? 5)));
