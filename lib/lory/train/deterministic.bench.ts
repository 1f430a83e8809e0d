/**
 * `npm run bench -- deterministic [STEPS] [PRESET]`, or with the packed library `bin/node lib/lory/dist/train/deterministic.bench.js ...`:
 * whether a run gives the same bits in another process. Each run is a process of its own, with a folder of compiled programs: the first finds
 * it empty, "loaded" finds what the first left, "compiled anew" finds an empty one again. Losses and gradient norms of all steps and the
 * parameters at the end are compared bit for bit. Ends with an error where a run with `deterministic: true` differs; how runs without it do is
 * told beside. Written to results/benchmarks/deterministic-<device>.json.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "tfjs-backend-xla";
import { deviceLabel, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { init } from "../backend";
import { paramsToList, type PresetName } from "../models";
import { TS_NODE } from "./peers/own-program";
import { openRun } from "./run";
import type { RunConfig, RunConfigInput } from "./run-config";
import { TINY_VOCABULARY, writeTinyCorpus } from "./testing/tiny-corpus";

/** The argument with which this program starts itself to train one run. */
const ONCE = "once";
const BATCH_SIZE = 8;
const CONTEXT_LENGTH = 256;
/** Of the made-up corpus, by domain: more than a batch's tokens. */
const DOCUMENTS = 400;

/** What one process trains. */
interface Job {
  readonly config: RunConfigInput;
  readonly runsDir: string;
}

interface Outcome {
  readonly device: string;
  /** By step. */
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  /** SHA-256 of the parameters at the end. */
  readonly parameters: string;
  /** Programs that XLA compiled; the others were loaded. */
  readonly compiled: number;
}

interface Row extends BenchmarkRow {
  readonly parameters: "equal" | "different";
  readonly compiled: number;
  /** The largest difference of two losses, as a share of the loss. */
  readonly lossDifference: number;
}

async function main([steps = "20", preset = "1m-8e"]: string[]): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "deterministic-"));
  const rows: Row[] = [];
  let device = "";
  try {
    const corpus = path.join(folder, "corpus");
    await writeTinyCorpus(corpus, DOCUMENTS);
    for (const precision of ["f32", "bf16"] as const) {
      for (const deterministic of [true, false]) {
        const config = configOf(preset as PresetName, Number(steps), corpus, { precision, deterministic });
        const arm = `${precision}${deterministic ? ", deterministic" : ""}`;
        const place = (name: string): string => path.join(folder, `${arm} ${name}`);
        const train = (name: string, cache: string): Outcome =>
          inOwnProcess({ config, runsDir: place(name) }, place(cache));
        const first = train("first", "programs");
        device = first.device;
        rows.push(rowOf(`${arm}: loaded`, first, train("loaded", "programs")));
        rows.push(rowOf(`${arm}: compiled anew`, first, train("anew", "other programs")));
      }
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  writeBenchmark(`deterministic-${deviceLabel(device)}`, { device, steps, preset }, rows);
  const failed = rows.filter((row) => /deterministic/.test(row.case) && !isEqual(row));
  if (failed.length > 0) throw new Error(`other bits in another process: ${failed.map((row) => row.case).join("; ")}`);
}

function configOf(
  preset: PresetName,
  steps: number,
  corpus: string,
  how: Pick<RunConfig, "precision" | "deterministic">,
): RunConfigInput {
  return {
    name: "deterministic",
    model: { preset, vocabSize: TINY_VOCABULARY, contextLength: CONTEXT_LENGTH },
    corpus,
    batchSize: BATCH_SIZE,
    trainTokens: steps * BATCH_SIZE * CONTEXT_LENGTH,
    optimizer: { learningRate: 1e-3 },
    ...how,
  };
}

function inOwnProcess(job: Job, cache: string): Outcome {
  const output = execFileSync(process.execPath, [...TS_NODE, __filename, ONCE, JSON.stringify(job)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, XLA_CACHE_DIR: cache },
  });
  return JSON.parse(output.trim().split("\n").pop()!) as Outcome;
}

function rowOf(name: string, first: Outcome, other: Outcome): Row {
  const steps = first.losses.length;
  const areEqual = (i: number): boolean =>
    Object.is(first.losses[i], other.losses[i]) && Object.is(first.gradNorms[i], other.gradNorms[i]);
  const equal = first.losses.filter((_, i) => areEqual(i)).length;
  const row: Row = {
    case: name,
    ours: equal,
    peer: steps,
    peerName: "all steps",
    ratio: equal / steps,
    goal: 1,
    unit: "steps with the same loss and gradient norm, to the last bit",
    parameters: first.parameters === other.parameters ? "equal" : "different",
    compiled: other.compiled,
    lossDifference: Math.max(...first.losses.map((loss, i) => Math.abs(other.losses[i] / loss - 1))),
  };
  console.log(
    `${name}: ${equal} of ${steps} steps equal, parameters ${row.parameters}, losses apart by ${row.lossDifference.toExponential(1)} at most, ` +
      `${first.compiled} and ${row.compiled} programs compiled`,
  );
  return row;
}

const isEqual = (row: Row): boolean => row.ours === row.peer && row.parameters === "equal";

async function once({ config, runsDir }: Job): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const run = await openRun(config, { runsDir });
  const [losses, gradNorms]: [number[], number[]] = [[], []];
  for await (const { lossNats, gradNorm } of run.train()) {
    losses.push(lossNats);
    gradNorms.push(gradNorm);
  }
  const hash = createHash("sha256");
  const params = await run.params();
  for (const { tensor } of paramsToList(params))
    hash.update(new Uint8Array((await tensor.data<"float32">()).slice().buffer));
  tf.dispose(params);
  const parameters = hash.digest("hex");
  const outcome: Outcome = {
    device,
    losses,
    gradNorms,
    parameters,
    compiled: (tf.backend() as XlaBackend).device.compileCount,
  };
  console.log(JSON.stringify(outcome));
}

void (process.argv[2] === ONCE ? once(JSON.parse(process.argv[3]) as Job) : main(process.argv.slice(2)));
