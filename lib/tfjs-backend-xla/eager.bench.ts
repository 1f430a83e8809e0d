/**
 * `npm run bench -- eager [ROUNDS]`: tensors used line by line, as in a notebook, without `jit`, beside tfjs's own backends for the
 * processor. "New" is a program that this process has not seen, as when a cell is edited: its shapes differ from round to round.
 * "Again" is the same once more. Programs kept on disk are not used. Written to results/benchmarks/eager.json.
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-layers"; // registers the gradients
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import "tfjs-backend-xla";

const PEERS = ["cpu", "wasm"] as const;

/** What a user would type; reads what it computes. `n` sets the shapes. */
type Lines = (n: number) => Promise<unknown>;

/** 1 000 operations on vectors, of which the last is read. */
const chain: Lines = async (n) => {
  let x = tf.linspace(-1, 1, n);
  for (let i = 0; i < 250; i++) x = tf.sub(tf.mul(tf.sin(x), 0.9), tf.mean(x));
  return x.data();
};

/** Lines of a notebook's exploration, each with its printed answer. */
const notebook: Lines = async (n) => {
  const answers: unknown[] = [];
  const show = async (tensor: tf.Tensor) => answers.push(await tensor.data());
  const table = tf.reshape(tf.linspace(0, 5, n * 6), [n, 6]);
  const labels = tf.tensor1d(
    Array.from({ length: n }, (_, i) => i % 3),
    "int32",
  );
  await show(table);
  await show(tf.mean(table, 0));
  const { mean, variance } = tf.moments(table, 0);
  const scaled = tf.div(tf.sub(table, mean), tf.sqrt(tf.add(variance, 1e-6)));
  await show(scaled);
  await show(tf.slice(scaled, [2, 0], [3, 6]));
  await show(tf.matMul(scaled, scaled, true));
  const weights = tf.sin(tf.reshape(tf.range(0, 18), [6, 3]));
  const logits = tf.matMul(scaled, weights);
  await show(tf.softmax(logits));
  const hits = tf.equal(tf.argMax(logits, 1), labels);
  await show(tf.mean(tf.cast(hits, "float32")));
  const loss = (w: tf.Tensor) => tf.losses.softmaxCrossEntropy(tf.oneHot(labels, 3), tf.matMul(scaled, w));
  const { value, grad } = tf.valueAndGrad(loss as (w: tf.Tensor) => tf.Scalar)(weights);
  await show(value);
  await show(tf.sub(weights, tf.mul(grad, 0.1)));
  await show(tf.topk(tf.reshape(logits, [n * 3]), 5).values);
  await show(tf.concat([mean, tf.max(table, 0), tf.min(table, 0)]));
  await show(tf.where(tf.greater(scaled, 0), scaled, tf.zerosLike(scaled)));
  await show(tf.cumsum(tf.gather(mean, [5, 3, 1])));
  await show(tf.norm(grad));
  return answers;
};

/** One layer on a few hundred rows. */
const layer: Lines = async (n) => {
  const [x, w] = [
    tf.reshape(tf.linspace(-1, 1, n * 512), [n, 512]),
    tf.reshape(tf.linspace(-1, 1, 512 * 512), [512, 512]),
  ];
  const y = tf.softmax(tf.relu(tf.matMul(x, w)));
  return tf.mean(tf.mul(y, tf.log(tf.add(y, 1e-6)))).data();
};

/** Arithmetic over a million numbers. */
const arithmetic: Lines = async (n) => {
  const x = tf.linspace(0.5, 2, 1000 * n);
  const y = tf.add(tf.mul(tf.exp(tf.neg(x)), tf.sqrt(x)), tf.div(tf.sin(x), tf.add(tf.square(x), 1)));
  return tf.sum(tf.sub(y, tf.mean(y))).data();
};

const CASES: Readonly<Record<string, { readonly lines: Lines; readonly size: number }>> = {
  "chain of 1 000 operations on 16 numbers": { lines: chain, size: 16 },
  "chain of 1 000 operations on 20 000 numbers": { lines: chain, size: 20_000 },
  "notebook lines on a table of 20 rows": { lines: notebook, size: 20 },
  "layer of 512 on 256 rows": { lines: layer, size: 256 },
  "arithmetic on a million numbers": { lines: arithmetic, size: 1000 },
};

/** Milliseconds of the lines on a backend, their tensors freed at the end. */
async function time(backend: string, lines: Lines, n: number): Promise<number> {
  await tf.setBackend(backend);
  tf.engine().startScope();
  const start = performance.now();
  await lines(n);
  const ms = performance.now() - start;
  tf.engine().endScope();
  return ms;
}

async function main(rounds: number): Promise<void> {
  tf.enableProdMode();
  const rows: BenchmarkRow[] = [];
  for (const [name, { lines, size }] of Object.entries(CASES)) {
    for (const backend of [...PEERS, "xla"]) await time(backend, lines, size - 1); // the process warms up
    const turns: Record<string, { fresh: number[]; again: number[] }> = {};
    for (let round = 0; round < rounds; round++) {
      for (const backend of ["xla", ...PEERS]) {
        const turn = (turns[backend] ??= { fresh: [], again: [] });
        turn.fresh.push(await time(backend, lines, size + round));
        turn.again.push(await time(backend, lines, size + round));
      }
    }
    for (const kind of ["fresh", "again"] as const) {
      for (const peer of PEERS) {
        const [ours, theirs] = [turns.xla[kind], turns[peer][kind]];
        const row: BenchmarkRow = {
          case: `${name}, ${kind === "fresh" ? "new" : "again"}`,
          ours: median(ours),
          peer: median(theirs),
          peerName: `tfjs ${tf.version_core} ${peer}`,
          ...ratios(theirs.map((ms, i) => ms / ours[i])),
          goal: 1,
          unit: "ms",
        };
        rows.push(row);
        console.log(
          `${row.case}: ${row.ours.toFixed(1)} ms; ${row.peerName}: ${row.peer.toFixed(1)} ms, ratio ${row.ratio.toFixed(2)}`,
        );
      }
    }
  }
  writeBenchmark("eager", { rounds }, rows);
}

process.env.XLA_CACHE_DIR = "off";
void main(Number(process.argv[2] ?? 5));
