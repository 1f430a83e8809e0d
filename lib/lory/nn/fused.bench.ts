/**
 * `npm run bench -- fused [ROUNDS]`: attention in blocks beside attention with all scores at once, and the head's loss in chunks beside all
 * logits at once, each with its gradients. The two take turns, so that what else the machine does meets both. What `causalMixer` and
 * `headCrossEntropyNats` choose rests on this. Written to results/benchmarks/fused.json.
 */
import * as tf from "@tensorflow/tfjs-core";
import { init } from "lory";
import { jit, random } from "tfjs-backend-xla";
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { blockedMixer, plainMixer, type AttentionMixer } from "./attention-mixer";
import { crossEntropyNats } from "./cross-entropy";
import { chunkedHeadCrossEntropyNats } from "./head-cross-entropy";
import { linear } from "./linear";

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor;

interface Comparison {
  readonly name: string;
  readonly ours: Fn;
  readonly peer: Fn;
  readonly peerName: string;
  readonly inputs: readonly (readonly number[])[];
  readonly output: readonly number[];
  /** What the ratio is to reach: above 1, ours is the faster one. */
  readonly goal: number;
}

/** Sequences [B, H, L, K], and the length of blocks. */
const ATTENTION: readonly (readonly [shape: readonly [number, number, number, number], blockLength: number])[] = [
  [[4, 4, 256, 32], 128],
  [[4, 4, 512, 64], 256],
  [[2, 8, 1024, 64], 128],
  [[2, 8, 1024, 64], 256],
  [[2, 8, 1024, 64], 512],
  [[1, 4, 4096, 64], 128],
  [[1, 4, 4096, 64], 256],
  [[1, 4, 4096, 64], 512],
];

/** Rows, width, vocabulary, and the rows of a chunk. */
const LOSS: readonly (readonly [rows: number, dModel: number, vocabSize: number, chunkRows: number])[] = [
  [4096, 256, 8192, 1024],
  [4096, 256, 32_000, 256],
  [4096, 256, 32_000, 1024],
];

const mixing =
  (mix: AttentionMixer): Fn =>
  (q, k, v) =>
    mix(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D);

function comparisons(): Comparison[] {
  const attention = ATTENTION.map(([shape, blockLength]): Comparison => {
    const [batch, heads, length, headSize] = shape;
    return {
      name: `attention, L ${length}, ${batch} x ${heads} heads of ${headSize}, blocks of ${blockLength}`,
      ours: mixing(blockedMixer(blockLength)),
      peer: (...inputs) => mixing(plainMixer(length))(...inputs),
      peerName: "all scores at once",
      inputs: [shape, shape, shape],
      output: shape,
      goal: 1,
    };
  });
  const loss = LOSS.map(([rows, dModel, vocabSize, chunkRows]): Comparison => {
    const targets_R = (): tf.Tensor => tf.cast(random.uniform([rows], { seed: 9, high: vocabSize }), "int32");
    return {
      name: `head and loss, ${rows} rows of ${dModel}, ${vocabSize} pieces, chunks of ${chunkRows}`,
      ours: (x, head) => chunkedHeadCrossEntropyNats(x, head, targets_R(), chunkRows),
      peer: (x, head) => crossEntropyNats(linear(x, head), targets_R()),
      peerName: "all logits at once",
      inputs: [
        [rows, dModel],
        [dModel, vocabSize],
      ],
      output: [rows],
      goal: 0.85, // the logits are computed twice
    };
  });
  return [...attention, ...loss];
}

async function compare({ name, ours, peer, peerName, inputs, output, goal }: Comparison, rounds: number) {
  const tensors = inputs.map((shape, i) => random.normal(shape, { seed: i }));
  const dOut = random.normal(output, { seed: 8 });
  const timed = (fn: Fn): (() => Promise<number>) => {
    const run = jit((args: tf.Tensor[], dy: tf.Tensor) => {
      const { value, grads } = tf.valueAndGrads(fn)(args, dy);
      return [value, ...grads];
    });
    return async () => {
      const start = performance.now();
      const results = run(tensors, dOut);
      await results[0].data();
      tf.dispose(results);
      return performance.now() - start;
    };
  };
  const [runOurs, runPeer] = [timed(ours), timed(peer)];
  const turns: { ours: number; peer: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const turn = { ours: await runOurs(), peer: await runPeer() };
    if (round > 0) turns.push(turn); // the first round compiles
  }
  tf.dispose([tensors, dOut]);
  const row: BenchmarkRow = {
    case: name,
    ours: median(turns.map((turn) => turn.ours)),
    peer: median(turns.map((turn) => turn.peer)),
    peerName,
    ...ratios(turns.map((turn) => turn.peer / turn.ours)),
    goal,
    unit: "ms",
  };
  console.log(`${name}: ${row.ours.toFixed(1)} ms against ${row.peer.toFixed(1)}, ratio ${row.ratio.toFixed(2)}`);
  return row;
}

async function main(rounds: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const rows: BenchmarkRow[] = [];
  for (const comparison of comparisons()) rows.push(await compare(comparison, rounds));
  writeBenchmark("fused", { device, rounds }, rows);
}

void main(Number(process.argv[2] ?? 7));
