/**
 * `npm run bench -- documents [ROUNDS]`, or with the packed library `bin/node lib/lory/dist/nn/documents.bench.js [ROUNDS]`: attention that
 * stays within documents, as a model has it on this device. First what it computes: beside plain loops in float64, and whether another
 * document's numbers change a bit of it or of its gradients; it ends with an error where they do. Then its time, with gradients, beside
 * attention over the whole context, in turns. Written to results/benchmarks/documents-<device>.json.
 */
import * as tf from "@tensorflow/tfjs-core";
import { init } from "lory";
import { jit, precision, random, type Precision } from "tfjs-backend-xla";
import { deviceLabel, median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { causalMixer } from "./attention-mixer";
import { referenceAttention } from "./attention-reference";

type Shape = readonly [batch: number, heads: number, length: number, size: number];

/** The largest difference from float64 that rounding explains, values being of order 1. GPUs multiply f32 as TF32, with 10 bits behind the point. */
const LARGEST_ERROR = { default: 5e-3, bf16: 5e-2 } as const satisfies Partial<Record<Precision, number>>;
const PRECISIONS = Object.keys(LARGEST_ERROR) as (keyof typeof LARGEST_ERROR)[];

/** All scores at once, blocks, and lengths that no block divides. */
const CHECKED: readonly Shape[] = [
  [2, 2, 200, 32],
  [2, 2, 512, 64],
  [1, 2, 1000, 64],
];
const TIMED: readonly Shape[] = [
  [4, 4, 512, 64],
  [1, 4, 4096, 64],
];
/** As on a GPU in training. */
const TIMED_ON_GPU: readonly Shape[] = [
  [8, 16, 1024, 64],
  [8, 16, 4096, 64],
];

/** Documents of about a third of the context, the first of which ends at the same place in each row. */
const firstEnd = (length: number): number => Math.floor(length / 3) + 1;
function documentsOf([batch, , length]: Shape): number[][] {
  const end = firstEnd(length);
  return Array.from({ length: batch }, (_, b) =>
    Array.from({ length }, (__, l) => (l < end ? 0 : 1 + Math.floor((l - end) / (end + 7 * b)))),
  );
}

/** Value and gradients of attention, its documents apart if they are given. */
const attending = (shape: Shape, rounding: Precision, documents?: number[][]) =>
  jit((tensors: tf.Tensor[], dOut: tf.Tensor): tf.Tensor[] => {
    const ids_BL = documents && tf.tensor2d(documents, [shape[0], shape[2]], "int32");
    const mix = causalMixer(shape[2], ids_BL);
    return precision(rounding, () => {
      const mixed = (...[q, k, v]: tf.Tensor[]): tf.Tensor => mix(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D);
      const { value, grads } = tf.valueAndGrads(mixed)(tensors, dOut);
      return [value, ...grads];
    });
  });

/** Queries, keys, values, and the gradient of the result. */
const inputsOf = (shape: Shape, seed: number): tf.Tensor[] =>
  [0, 1, 2, 3].map((i) => random.normal([...shape], { seed: seed + i }));

/** Throws where attention with documents apart is not what plain loops give, or where documents reach one another. */
async function check(shape: Shape, rounding: keyof typeof LARGEST_ERROR): Promise<void> {
  const documents = documentsOf(shape);
  const run = attending(shape, rounding, documents);
  const [inputs, others] = [inputsOf(shape, 1), inputsOf(shape, 11)];
  const results = run(inputs.slice(0, 3), inputs[3]);
  const flat = await Promise.all(inputs.slice(0, 3).map(async (each) => Float64Array.from(await each.data())));
  const expected = referenceAttention(flat, { shape, documentIds_BL: documents });
  const actual = await results[0].data();
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i])), 0);

  const end = firstEnd(shape[2]);
  const after = (tensor: tf.Tensor): tf.Tensor => tf.slice(tensor, [0, 0, end, 0], [-1, -1, -1, -1]);
  const changed = inputs.map((each, i) =>
    tf.concat([tf.slice(others[i], [0, 0, 0, 0], [-1, -1, end, -1]), after(each)], 2),
  );
  const ofChanged = run(changed.slice(0, 3), changed[3]);
  const reached: boolean[] = [];
  for (const [i, before] of results.entries()) {
    const [one, other] = await Promise.all([after(before).data(), after(ofChanged[i]).data()]);
    reached.push(one.some((value, j) => !Object.is(value, other[j])));
  }
  const text = `[${shape.join(", ")}], ${rounding}`;
  console.log(`${text}: off from float64 by ${error.toExponential(1)} at most; ${reached.includes(true) ? "documents reach one another" : "documents apart to the last bit"}`); // prettier-ignore
  if (!(error <= LARGEST_ERROR[rounding])) throw new Error(`${text}: expected ${LARGEST_ERROR[rounding]} at most`);
  if (reached.includes(true)) throw new Error(`${text}: a document has changed what another one gets`);
}

async function compare(shape: Shape, rounding: Precision, rounds: number): Promise<BenchmarkRow> {
  const inputs = inputsOf(shape, 1);
  const timed = (run: ReturnType<typeof attending>) => async (): Promise<number> => {
    const start = performance.now();
    const results = run(inputs.slice(0, 3), inputs[3]);
    await Promise.all(results.map((each) => tf.slice(each, [0, 0, 0, 0], [1, 1, 1, 1]).data()));
    tf.dispose(results);
    return performance.now() - start;
  };
  const [apart, across] = [timed(attending(shape, rounding, documentsOf(shape))), timed(attending(shape, rounding))];
  const turns: { ours: number; peer: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const turn = { ours: await apart(), peer: await across() };
    if (round > 0) turns.push(turn); // the first round compiles
  }
  tf.dispose(inputs);
  const row: BenchmarkRow = {
    case: `attention with gradients, ${rounding === "bf16" ? "bf16" : "f32"}, [${shape.join(", ")}]`,
    ours: median(turns.map(({ ours }) => ours)),
    peer: median(turns.map(({ peer }) => peer)),
    peerName: "documents not apart",
    ...ratios(turns.map(({ ours, peer }) => peer / ours)),
    goal: 1,
    unit: "ms",
  };
  console.log(`${row.case}: ${row.ours.toFixed(1)} ms against ${row.peer.toFixed(1)}, ratio ${row.ratio.toFixed(2)}`);
  return row;
}

async function main(rounds: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  for (const shape of CHECKED) for (const rounding of PRECISIONS) await check(shape, rounding);
  const isGpu = /nvidia/i.test(device);
  const rows: BenchmarkRow[] = [];
  for (const shape of isGpu ? TIMED_ON_GPU : TIMED) rows.push(await compare(shape, isGpu ? "bf16" : "default", rounds));
  writeBenchmark(`documents-${deviceLabel(device)}`, { device, rounds }, rows);
}

void main(Number(process.argv[2] ?? 7));
