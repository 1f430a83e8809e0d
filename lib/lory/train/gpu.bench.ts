/**
 * `npm run bench -- gpu [STEPS]`, or on a machine with the packed library `bin/node lib/lory/dist/train/gpu.bench.js [STEPS]`: the whole
 * training step of the paper's 0.3B model in bf16 beside JAX (LORY_JAX_PYTHON) and torch.compile (LORY_TORCH_PYTHON) on one GPU. All start
 * from the same weights and see the same batches. Each has the GPU to itself, since a step takes most of its memory; this library runs
 * before and after its peers, the second time from the compile cache. Written to results/benchmarks/gpu.json.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { median, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { flopsPerToken, modelConfig } from "../models";
import { ROOT, TS_NODE } from "./peers/own-program";
import { PeerProcess } from "./peers/peer-process";
import { jaxPython, peerScript, torchPython } from "./peers/python";

const PRECISION = "bf16";
const CASES = [
  { name: "0.3B dense", preset: "0.3b", batchSize: 8 },
  { name: "0.3B dense", preset: "0.3b", batchSize: 16 },
  { name: "0.3B, 8 experts", preset: "0.3b-8e", batchSize: 8 },
] as const;
type Case = (typeof CASES)[number];
/** Seconds that compiling the step may take, for the first time and from the cache. */
const COMPILE_GOAL = { cold: 40, cached: 3 };
const WARM_UP_STEPS = 3;
/** Under this name a program starts by ts-node or, built, as it is. */
const LIBRARY = path.join(__dirname, "peers", `library_step${path.extname(__filename)}`);

interface Measured {
  readonly name: string;
  readonly compileSeconds?: number;
  readonly ms: number;
  readonly losses: readonly number[];
  readonly peakBytes?: number | null;
}

async function measure(peer: PeerProcess, steps: number): Promise<Measured> {
  try {
    const ready = await peer.ready();
    const first = await peer.steps(WARM_UP_STEPS);
    const { ms, losses, peakBytes } = await peer.steps(steps);
    return { ...ready, ms: median(ms), losses: [...first.losses, ...losses], peakBytes };
  } finally {
    await peer.end();
  }
}

async function compare({ name, preset, batchSize }: Case, steps: number): Promise<BenchmarkRow[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-bench-"));
  const title = `${name}, ${batchSize} sequences of ${modelConfig({ preset }).contextLength}`;
  const model = modelConfig({ preset });
  try {
    const writing = [...TS_NODE, LIBRARY, folder, "weights", preset, String(batchSize), PRECISION];
    execFileSync(process.execPath, writing, { stdio: ["ignore", "inherit", "inherit"] });
    const ours = (cache: string) =>
      measure(new PeerProcess(process.execPath, [...TS_NODE, LIBRARY, folder], { XLA_CACHE_DIR: cache }), steps);
    const cache = path.join(folder, "cache");
    const report = (measured: Measured): Measured => {
      const rate = tokensPerSecond(measured.ms);
      const [last, gigabytes] = [
        measured.losses.at(-1)!.toFixed(4),
        ((measured.peakBytes ?? NaN) / 2 ** 30).toFixed(1),
      ];
      const compiling = measured.compileSeconds?.toFixed(1) ?? "?";
      console.log(
        `${title}: ${measured.name}: compiled in ${compiling} s, ${rate.toFixed(0)} tokens/s (${measured.ms.toFixed(1)} ms), peak ${gigabytes} GiB, losses ${measured.losses[0].toFixed(4)} to ${last}`,
      );
      return measured;
    };
    const tokensPerSecond = (ms: number) => (batchSize * model.contextLength * 1000) / ms;
    const cold = report(await ours(cache));
    const peers: Measured[] = [];
    for (const [command, args] of peerCommands(folder)) {
      const measured = await measure(new PeerProcess(command, args, PEER_MEMORY), steps).catch((error: unknown) => {
        console.log(`${title}: ${args.join(" ")} failed: ${String(error)}`);
        return undefined;
      });
      if (measured) peers.push(report(measured));
    }
    const cached = report(await ours(cache));
    const ms = median([cold.ms, cached.ms]);
    const compiled = { case: `${title}: compile`, goalOf: "ours", unit: "s" } as const;
    const [coldSeconds, cachedSeconds] = [cold.compileSeconds!, cached.compileSeconds!];
    return [
      ...peers.map((peer) => ({
        case: title,
        ours: tokensPerSecond(ms),
        peer: tokensPerSecond(peer.ms),
        peerName: peer.name,
        ratio: peer.ms / ms,
        goal: 1,
        unit: "tokens/s",
        // Over all steps: at this learning rate, without a warm-up, programs that round differently part after about five.
        lossDifference: Math.max(...peer.losses.map((loss, i) => Math.abs(loss - cold.losses[i]))),
        mfuOfH200: (flopsPerToken(model).training * tokensPerSecond(ms)) / 989e12,
        peakGiB: (cold.peakBytes ?? NaN) / 2 ** 30,
        peerPeakGiB: (peer.peakBytes ?? NaN) / 2 ** 30,
      })),
      ...peers.flatMap(({ name: peerName, compileSeconds: peer }) =>
        peer === undefined
          ? []
          : [{ ...compiled, ours: coldSeconds, peer, peerName, ratio: peer / coldSeconds, goal: COMPILE_GOAL.cold }],
      ),
      {
        ...compiled,
        ours: cachedSeconds,
        peer: coldSeconds,
        peerName: "without the compile cache",
        ratio: coldSeconds / cachedSeconds,
        goal: COMPILE_GOAL.cached,
      },
    ];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** JAX takes three quarters of the GPU's memory otherwise. */
const PEER_MEMORY = { XLA_CLIENT_MEM_FRACTION: "0.92" };

function peerCommands(folder: string): [string, string[]][] {
  const torch = torchPython();
  const jax: [string, string[]] = [jaxPython(ROOT), [peerScript("jax_step.py"), folder]];
  return torch === undefined ? [jax] : [jax, [torch, [peerScript("torch_step.py"), folder, "compile"]]];
}

async function main(steps: number, presets: readonly string[]): Promise<void> {
  const rows: BenchmarkRow[] = [];
  const asked = presets.length ? CASES.filter(({ preset }) => presets.includes(preset)) : CASES;
  for (const each of asked) rows.push(...(await compare(each, steps)));
  writeBenchmark("gpu", { device: gpuName(), steps, precision: PRECISION }, rows);
}

const gpuName = (): string =>
  execFileSync("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], { encoding: "utf8" }).trim();

const [steps = "20", ...presets] = process.argv.slice(2);
void main(Number(steps), presets);
