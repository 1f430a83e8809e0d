/**
 * `npm run bench -- products [ROUNDS]`: products of matrices by the native code for Intel AMX beside XLA's own dots, in f32 and in bf16, in the
 * shapes of a small model's training step. The two take turns. Of f32 the relative error in root mean square against float64 stands beside
 * each. Written to results/benchmarks/products.json.
 *
 * The floor: a core does 3 300 GFLOP/s in bfloat16 on numbers that are 0 and 2 150 on random ones (the processor lowers its clock), thus 360 of
 * f32's, six products each. Reading and taking apart the operands takes a fifth, and writing the result about as much. PyTorch's library (MKL)
 * does 155 to 177 a core in f32.
 */
import * as tf from "@tensorflow/tfjs-core";
import { jit, precision, random, type XlaBackend } from "tfjs-backend-xla";
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";

/** Shapes [G, M, K] x [G, K, N], and whether A and B are stored turned. */
interface Case {
  readonly name: string;
  readonly shape: readonly [g: number, m: number, k: number, n: number];
  readonly turned: readonly [boolean, boolean];
}

const ROWS = 4096;
const CASES: readonly Case[] = [
  { name: "forward, 256 to 768", shape: [1, ROWS, 256, 768], turned: [false, false] },
  { name: "forward, 768 to 256", shape: [1, ROWS, 768, 256], turned: [false, false] },
  { name: "head, 256 to 8192", shape: [1, ROWS, 256, 8192], turned: [false, false] },
  { name: "gradient by activations, 1536 to 256", shape: [1, ROWS, 1536, 256], turned: [false, true] },
  { name: "gradient by weights, 256 x 1536", shape: [1, 256, ROWS, 1536], turned: [true, false] },
  { name: "gradient by the head, 256 x 8192", shape: [1, 256, ROWS, 8192], turned: [true, false] },
  { name: "8 segments of 256, 1024 to 2816", shape: [8, 256, 1024, 2816], turned: [false, false] },
  { name: "2048 x 2048 x 2048", shape: [1, 2048, 2048, 2048], turned: [false, false] },
];

/** Operands of their own for each product of a program, so that none is in a cache. */
const PRODUCTS = 4;
/** Rounds that do not count: until results lie in memory that the process keeps, the system clears pages for them. */
const WARM_UP = 4;
const ENTRIES = 500;

async function main(rounds: number): Promise<void> {
  await tf.setBackend("xla");
  const { device } = tf.backend() as XlaBackend;
  if (!device.hasProducts) throw new Error(`no native products here: ${JSON.stringify(device.products)}`);
  const rows: BenchmarkRow[] = [];
  for (const each of CASES)
    for (const policy of ["default", "bf16"] as const) rows.push(await compare(each, policy, rounds));
  writeBenchmark("products", { device: "cpu", rounds, productsAProgram: PRODUCTS }, rows);
}

async function compare(
  { name, shape, turned }: Case,
  policy: "default" | "bf16",
  rounds: number,
): Promise<BenchmarkRow> {
  const [g, m, k, n] = shape;
  const draw = (dims: number[], seed: number) => random.normal(dims, { seed }) as tf.Tensor3D;
  const operands = Array.from({ length: PRODUCTS }, (_, i) => [
    draw(turned[0] ? [g, k, m] : [g, m, k], 2 * i),
    draw(turned[1] ? [g, n, k] : [g, k, n], 2 * i + 1),
  ]);
  const multiply = () =>
    jit((pairs: Pairs) => {
      const products = pairs.map(([a, b]) => precision(policy, () => tf.matMul<tf.Tensor3D>(a, b, ...turned)));
      // To be read at the end: a number of each product.
      return [
        ...products,
        tf.concat(products.map((product) => tf.reshape(tf.slice(product, [0, 0, 0], [1, 1, 1]), [1]))),
      ];
    });
  const programs = { native: multiply(), xla: multiply() };
  await programs.native.prepare(operands);
  await withoutNative(async () => programs.xla.prepare(operands));
  const turns: { ours: number; peer: number }[] = [];
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const turn = { ours: await secondsOf(programs.native, operands), peer: await secondsOf(programs.xla, operands) };
    if (round >= WARM_UP) turns.push(turn);
  }
  const gflops = (seconds: number) => (2 * PRODUCTS * g * m * k * n) / seconds / 1e9;
  const [ours, peer] = [median(turns.map((turn) => turn.ours)), median(turns.map((turn) => turn.peer))].map(gflops);
  const row = {
    case: `${name}, ${policy === "bf16" ? "bf16" : "f32"}`,
    ours,
    peer,
    peerName: "XLA's own dot",
    ...ratios(turns.map((turn) => turn.peer / turn.ours)),
    goal: 1,
    unit: "GFLOP/s",
    ...(policy === "bf16" ? {} : await errors(programs, operands, turned)),
  };
  console.log(`${row.case}: ${ours.toFixed(0)} against ${peer.toFixed(0)} GFLOP/s, ratio ${row.ratio.toFixed(2)}`);
  tf.dispose(operands);
  return row;
}

/** While a function records a program, the device has no native products. */
async function withoutNative(record: () => Promise<void>): Promise<void> {
  const { device } = tf.backend() as XlaBackend;
  Object.defineProperty(device, "hasProducts", { value: false, configurable: true });
  try {
    await record();
  } finally {
    Reflect.deleteProperty(device, "hasProducts");
  }
}

type Pairs = readonly tf.Tensor3D[][];
type Multiply = (pairs: Pairs) => tf.Tensor[];

async function secondsOf(multiply: Multiply, operands: Pairs): Promise<number> {
  const start = performance.now();
  const results = multiply(operands);
  await results[PRODUCTS].data();
  const seconds = (performance.now() - start) / 1000;
  tf.dispose(results);
  return seconds;
}

/** Relative errors in root mean square, of some entries, against sums in float64. */
async function errors(
  programs: Readonly<Record<"native" | "xla", Multiply>>,
  operands: Pairs,
  [aTurned, bTurned]: readonly [boolean, boolean],
): Promise<{ error: number; errorOfPeer: number }> {
  const [a, b] = operands[0];
  const [x, y] = [await a.data(), await b.data()];
  const [m, k] = aTurned ? [a.shape[2], a.shape[1]] : [a.shape[1], a.shape[2]];
  const n = b.shape[bTurned ? 1 : 2];
  const places = Array.from({ length: ENTRIES }, (_, i) => [(i * 7919) % m, (i * 104729) % n]); // of the first matrix
  const exact = places.map(([row, column]) => {
    let sum = 0;
    for (let i = 0; i < k; i++)
      sum += x[aTurned ? i * m + row : row * k + i] * y[bTurned ? column * k + i : i * n + column];
    return sum;
  });
  const error = async (multiply: Multiply): Promise<number> => {
    const results = multiply(operands);
    const values = await results[0].data();
    tf.dispose(results);
    const squares = (of: (i: number) => number) => exact.reduce((sum, _, i) => sum + of(i) ** 2, 0);
    return Math.sqrt(squares((i) => values[places[i][0] * n + places[i][1]] - exact[i]) / squares((i) => exact[i]));
  };
  return { error: await error(programs.native), errorOfPeer: await error(programs.xla) };
}

void main(Number(process.argv[2] ?? 7));
