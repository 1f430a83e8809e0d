/**
 * `npm run bench -- cpu [ROUNDS] [PEER...]`: the whole training step of the small model, dense and with 8 experts, beside other ways to
 * train it on the same processor. All start from the same weights and see the same batches. The library and one peer take turns, so that
 * what else the machine does meets both; the ratio of each round is formed from the two medians of that round, and the row is the
 * median over rounds. Written to results/benchmarks/cpu.json if no peers are named.
 *
 * What is known of the distance to torch.compile, on two cores with AVX-512 and AMX:
 * - Most of the processor's time are products. XLA's f32 dots do 100 to 148 GFLOP/s a core, PyTorch's (MKL) 155 to 177, and the native ones on
 *   AMX 200 to 260 (`npm run bench -- products`). Without these, as where a processor has no AMX, the dense step was 0.86 and that with 8 experts
 *   0.94 times as fast as torch.compile. oneDNN's products, which XLA can call (`xla_cpu_experimental_onednn_custom_call`), took 5 % off the step;
 *   a program with them does not come back from the cache: it crashes.
 * - The step has 1.9 cores, waiting included. Two processes of half the batch, each on a core of its own, were no faster than one with oneDNN's
 *   products on both, so that to give each core a device of its own gains nothing.
 * - What is left of the products with 8 experts are those of segments of 64 tokens, which stay XLA's (see `kernels/native-product.ts`).
 * - XLA's flags (vector width 512, other schedulers, tiled lowering, elementwise and reducing fusions of the library) change nothing beyond chance.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "lory";
import type { XlaBackend } from "tfjs-backend-xla";
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { modelConfig, type ModelConfig } from "../models";
import { givenState, librarySteps } from "./peers/library-steps";
import { PeerProcess } from "./peers/peer-process";
import { jaxPython, peerScript, torchPython } from "./peers/python";
import { readStepInput, writeStepInput } from "./peers/step-folder";

const ROOT = path.resolve(__dirname, "../../..");
const BATCH_SIZE = 8;
const CASES = { "dense step": "bench-small", "8-expert step": "bench-small-8e" } as const;
const TS_NODE = ["--require", path.join(ROOT, "node_modules/ts-node/register/transpile-only.js")];

/** PyTorch gains most by memory that is kept; the library's `tensorflow` sees to it by itself. */
const KEEP_MEMORY = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "30000000000",
  MALLOC_TOP_PAD_: "67108864",
};

interface Peer {
  readonly name: string;
  /** Starts it on a folder with the input; undefined if it is not to be had here. */
  readonly start: (folder: string) => PeerProcess | undefined;
  readonly batchSize?: number;
  /** At most so many rounds, each of so many steps. */
  readonly rounds?: number;
  readonly stepsATurn?: number;
}

const torch = (mode: "eager" | "compile"): Peer => ({
  name: `torch-${mode}`,
  start: (folder) => {
    const python = torchPython();
    return python === undefined
      ? undefined
      : new PeerProcess(python, [peerScript("torch_step.py"), folder, mode], KEEP_MEMORY);
  },
});
const tfjs = (backend: "tensorflow" | "wasm", limits: Partial<Peer> = {}): Peer => ({
  name: backend,
  start: (folder) => new PeerProcess(process.execPath, [...TS_NODE, peerScript("tfjs_step.ts"), folder, backend]),
  ...limits,
});

const PEERS: readonly Peer[] = [
  { name: "jax", start: (folder) => new PeerProcess(jaxPython(ROOT), [peerScript("jax_step.py"), folder]) },
  {
    name: "jax-lowered",
    start: (folder) => {
      const lower = [peerScript("jax_lower.py"), folder, path.join(folder, "step.mlir")];
      if (spawnSync(jaxPython(ROOT), lower, { stdio: ["ignore", "ignore", "inherit"] }).status !== 0)
        throw new Error("JAX did not lower the step: see above");
      return new PeerProcess(process.execPath, [...TS_NODE, peerScript("lowered_step.ts"), folder]);
    },
  },
  torch("eager"),
  torch("compile"),
  tfjs("tensorflow"),
  // Its heap ends at 4 GiB, and a step of one sequence takes many seconds.
  tfjs("wasm", { batchSize: 1, rounds: 1, stepsATurn: 1 }),
];

async function main(rounds: number, names: readonly string[]): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const { hasProducts } = (tf.backend() as XlaBackend).device;
  const unknown = names.find((name) => !PEERS.some((peer) => peer.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no peer "${unknown}": ${PEERS.map(({ name }) => name).join(", ")}`);
  const rows: BenchmarkRow[] = [];
  for (const [name, preset] of Object.entries(CASES)) {
    for (const peer of PEERS.filter((each) => names.length === 0 || names.includes(each.name))) {
      const row = await compare(name, modelConfig({ preset }), peer, Math.min(rounds, peer.rounds ?? rounds));
      if (row === undefined) continue;
      rows.push(row);
      console.log(
        `${row.case}: ${row.ours.toFixed(0)} against ${row.peer.toFixed(0)} ${row.unit} of ${row.peerName}, ratio ${row.ratio.toFixed(3)} (rounds ${row.ratioRange?.map((r) => r.toFixed(3)).join(" to ")}), largest loss difference ${row.lossDifference.toExponential(1)}`,
      );
    }
  }
  if (names.length === 0)
    writeBenchmark("cpu", { device, products: hasProducts ? "native" : "XLA", rounds, stepsATurn: STEPS_A_TURN }, rows);
}

const STEPS_A_TURN = 3;

interface Row extends BenchmarkRow {
  readonly batchSize: number;
  readonly lossDifference: number;
}

async function compare(name: string, model: ModelConfig, limits: Peer, rounds: number): Promise<Row | undefined> {
  const { batchSize = BATCH_SIZE, stepsATurn = STEPS_A_TURN } = limits;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-bench-"));
  let peer: PeerProcess | undefined;
  try {
    await writeStepInput(folder, model, batchSize);
    peer = limits.start(folder);
    if (peer === undefined) return undefined;
    const { name: peerName } = await peer.ready();
    const input = readStepInput(folder);
    const ours = librarySteps(input, givenState(input));
    const turns: { ours: number; peer: number }[] = [];
    let lossDifference = 0;
    for (let round = 0; round <= rounds; round++) {
      const mine = await ours.run(stepsATurn);
      const theirs = await peer.steps(stepsATurn);
      mine.losses.forEach((loss, i) => (lossDifference = Math.max(lossDifference, Math.abs(loss - theirs.losses[i]))));
      if (round > 0) turns.push({ ours: median(mine.ms), peer: median(theirs.ms) }); // the first round warms up
    }
    ours.dispose();
    const tokensPerSecond = (ms: number) => (batchSize * model.contextLength * 1000) / ms;
    return {
      case: name,
      ours: tokensPerSecond(median(turns.map((turn) => turn.ours))),
      peer: tokensPerSecond(median(turns.map((turn) => turn.peer))),
      peerName,
      ...ratios(turns.map((turn) => turn.peer / turn.ours)),
      goal: 1,
      unit: "tokens/s",
      batchSize,
      lossDifference,
    };
  } finally {
    await peer?.end();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const [rounds = "5", ...names] = process.argv.slice(2);
void main(Number(rounds), names);
