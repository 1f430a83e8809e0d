import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import "../index";
import { expectClose } from "../testing";
import { expectAgreement, results, type Cases, type Draws } from "./cases";
import type { CONTRACTION } from "./contraction";
import type { ELEMENTWISE } from "./elementwise";
import { HOST_KERNELS } from "./host";
import { KERNELS } from "./index";
import type { INDEXING } from "./indexing";
import type { REDUCTION } from "./reduction";
import type { SHAPE } from "./shape";

type Tested = typeof ELEMENTWISE & typeof REDUCTION & typeof SHAPE & typeof INDEXING & typeof CONTRACTION;

const each =
  (op: (x: tf.Tensor) => tf.Tensor, of: keyof Draws = "any"): Cases =>
  (draw) => [op(draw[of](3, 5)), op(draw[of]()), op(draw[of](0, 2))];
const pairs =
  (op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, left: keyof Draws = "any", right = left): Cases =>
  (draw) => [
    op(draw[left](3, 5), draw[right](3, 5)),
    op(draw[left](3, 1), draw[right](5)),
    op(draw[left](), draw[right](2, 3)),
    op(draw[left](2, 1, 3), draw[right](4, 1)),
  ];
const both =
  (op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Cases =>
  (draw) => [...pairs(op)(draw), ...pairs(op, "ints")(draw)];
const reduced =
  (op: (x: tf.Tensor, axis?: number | number[], keepDims?: boolean) => tf.Tensor, of: keyof Draws = "any"): Cases =>
  (draw) => [
    op(draw[of](3, 4, 5)),
    op(draw[of](3, 4, 5), 1),
    op(draw[of](3, 4, 5), [0, -1]),
    op(draw[of](3, 4, 5), [1], true),
    op(draw[of](1), 0),
  ];

/** Every kernel of these tables has its cases, by type. */
const CASES: Record<keyof Tested, Cases> = {
  Abs: (d) => [...each(tf.abs)(d), ...each(tf.abs, "ints")(d)],
  Neg: (d) => [...each(tf.neg)(d), ...each(tf.neg, "ints")(d)],
  Sign: each(tf.sign),
  Exp: each(tf.exp),
  Expm1: each(tf.expm1),
  Log: each(tf.log, "positive"),
  Log1p: each(tf.log1p, "positive"),
  Sqrt: each(tf.sqrt, "positive"),
  Rsqrt: each(tf.rsqrt, "positive"),
  Sin: each(tf.sin),
  Cos: each(tf.cos),
  Tan: each(tf.tan),
  Tanh: each(tf.tanh),
  Sigmoid: each(tf.sigmoid),
  Floor: each(tf.floor),
  Ceil: each(tf.ceil),
  Round: each(tf.round),
  Square: each(tf.square),
  Reciprocal: each(tf.reciprocal),
  Erf: each(tf.erf),
  Softplus: each(tf.softplus),
  Step: (d) => [...each((x) => tf.step(x))(d), ...each((x) => tf.step(x, 0.3))(d), tf.step(d.ints(5), 0.5)],
  Relu: (d) => [...each(tf.relu)(d), ...each(tf.relu, "ints")(d)],
  Relu6: each((x) => tf.relu6(tf.mul(x, 5))),
  Elu: each(tf.elu),
  Selu: each(tf.selu),
  EluGrad: (d) => [tf.grad((x: tf.Tensor) => tf.sum(tf.square(tf.elu(x))))(d.any(3, 5))],
  LeakyRelu: each((x) => tf.leakyRelu(x, 0.1)),
  ClipByValue: (d) => [
    ...each((x) => tf.clipByValue(x, -0.5, 0.5))(d),
    ...each((x) => tf.clipByValue(x, -1.5, Infinity), "ints")(d),
  ],
  IsFinite: each((x) => tf.isFinite(tf.log(x))),
  IsNan: each((x) => tf.isNaN(tf.log(x))),
  IsInf: (d) => [tf.isInf(tf.div(d.any(3), tf.tensor1d([0, 1, 0])))],
  LogicalNot: each(tf.logicalNot, "bools"),
  Cast: (d) => [
    tf.cast(d.any(3, 4), "int32"),
    tf.cast(d.ints(5), "float32"),
    tf.cast(d.ints(5), "bool"),
    tf.cast(d.bools(5), "int32"),
  ],
  ZerosLike: each(tf.zerosLike),
  OnesLike: each(tf.onesLike, "ints"),
  Add: both(tf.add),
  Sub: both(tf.sub),
  Multiply: both(tf.mul),
  Maximum: both(tf.maximum),
  Minimum: both(tf.minimum),
  Pow: pairs(tf.pow, "positive", "any"),
  RealDiv: pairs(tf.div),
  FloorDiv: (d) => [
    ...pairs(tf.floorDiv, "any", "positive")(d),
    tf.floorDiv(tf.tensor1d([7, -7, 7, -7, 6], "int32"), tf.tensor1d([2, 2, -2, -2, 3], "int32")),
  ],
  Mod: (d) => [
    ...pairs(tf.mod, "any", "positive")(d),
    tf.mod(tf.tensor1d([7, -7, 7, -7], "int32"), tf.tensor1d([4, 4, -4, -4], "int32")),
  ],
  Atan2: pairs(tf.atan2),
  SquaredDifference: both(tf.squaredDifference),
  Equal: both(tf.equal),
  NotEqual: both(tf.notEqual),
  Greater: both(tf.greater),
  GreaterEqual: both(tf.greaterEqual),
  Less: both(tf.less),
  LessEqual: both(tf.lessEqual),
  BitwiseAnd: (d) => [tf.bitwiseAnd(d.ints(3, 5), d.ints(3, 5))],
  LogicalAnd: pairs(tf.logicalAnd, "bools"),
  LogicalOr: pairs(tf.logicalOr, "bools"),
  Prelu: (d) => [tf.prelu(d.any(3, 5), d.positive(5))],
  AddN: (d) => [tf.addN([d.any(3, 5), d.any(3, 5), d.any(3, 5)]), tf.addN([d.any(2)])],
  Select: (d) => [
    tf.where(d.bools(3, 5), d.any(3, 5), d.any(3, 5)),
    tf.where(d.bools(), d.any(2), d.any(2)),
    tf.where(d.bools(3, 1), d.any(3, 4), d.any(4)),
  ],
  Sum: (d) => [...reduced(tf.sum)(d), ...reduced(tf.sum, "ints")(d), ...reduced(tf.sum, "bools")(d)],
  Mean: reduced(tf.mean),
  Max: (d) => [...reduced(tf.max)(d), ...reduced(tf.max, "ints")(d)],
  Min: (d) => [...reduced(tf.min)(d), ...reduced(tf.min, "ints")(d)],
  Prod: reduced(tf.prod),
  All: reduced(tf.all, "bools"),
  Any: reduced(tf.any, "bools"),
  ArgMax: (d) => [tf.argMax(d.any(3, 5), 1), tf.argMax(d.ints(4, 6, 2), 1), tf.argMax(d.any(7))],
  ArgMin: (d) => [tf.argMin(d.any(3, 5), 0), tf.argMin(d.ints(4, 6, 2), 1)],
  Cumsum: (d) => [
    tf.cumsum(d.any(3, 5), 1),
    tf.cumsum(d.any(3, 5), 0, true),
    tf.cumsum(d.ints(6), 0, false, true),
    tf.cumsum(d.any(2, 4), 1, true, true),
    tf.cumsum(d.any(0)),
    tf.cumsum(d.any(2, 0), 1, true),
  ],
  Cumprod: (d) => [tf.cumprod(d.any(3, 5), 1), tf.cumprod(d.any(3, 5), 1, true, true)],
  TopK: (d) => [Object.values(tf.topk(d.any(3, 7), 3)), Object.values(tf.topk(tf.tensor1d([2, 5, 5, 1, 5]), 4))],
  Softmax: (d) => [tf.softmax(d.any(3, 5)), tf.softmax(tf.mul(d.any(2, 3, 4), 100))],
  LogSoftmax: (d) => [tf.logSoftmax(d.any(3, 5)), tf.logSoftmax(tf.mul(d.any(2, 3, 4), 100))],
  Reshape: (d) => [tf.reshape(d.any(3, 4), [2, -1]), tf.reshape(d.any(1), [])],
  ExpandDims: (d) => [tf.expandDims(d.any(3, 4), 1), tf.expandDims(d.any(3), -1)],
  Transpose: (d) => [tf.transpose(d.any(3, 4)), tf.transpose(d.any(2, 3, 4), [2, 0, 1])],
  BroadcastTo: (d) => [tf.broadcastTo(d.any(3, 1), [2, 3, 4])],
  Tile: (d) => [tf.tile(d.any(2, 3), [2, 3]), tf.tile(d.any(1, 3), [4, 1])],
  Reverse: (d) => [tf.reverse(d.any(3, 4)), tf.reverse(d.any(3, 4), 1)],
  Slice: (d) => [tf.slice(d.any(4, 5), [1, 2], [2, -1]), tf.slice(d.any(4), 3, 0), tf.slice(d.any(4, 2), 1)],
  StridedSlice: (d) => [
    tf.stridedSlice(d.any(5, 6), [0, 1], [5, 6], [2, 2]),
    tf.stridedSlice(d.any(5), [4], [0], [-2]),
    tf.stridedSlice(d.any(5, 3), [3, 0], [4, 3], [1, 1], 0, 0, 0, 0, 1),
    tf.stridedSlice(d.any(5), [-1], [-6], [-1]),
  ],
  PadV2: (d) => [tf.pad(d.any(2, 3), [[1, 0], [0, 2]], 7), tf.pad(d.ints(3), [[2, 2]])], // prettier-ignore
  Concat: (d) => [tf.concat([d.any(2, 3), d.any(1, 3)]), tf.concat([d.any(2, 3), d.any(2, 0), d.any(2, 1)], -1)],
  Pack: (d) => [tf.stack([d.any(2, 3), d.any(2, 3)], 1), tf.stack([d.any(), d.any()])],
  Unpack: (d) => [tf.unstack(d.any(2, 3), 1), tf.unstack(d.any(2))],
  SplitV: (d) => [tf.split(d.any(4, 6), 3, 1), tf.split(d.any(7), [2, 1, 4])],
  GatherV2: (d) => [
    tf.gather(d.any(5, 3), tf.tensor1d([4, 0, 0, 2], "int32")),
    tf.gather(d.any(2, 5, 3), tf.tensor2d([[1, 0], [4, 4]], [2, 2], "int32"), 1), // prettier-ignore
    tf.gather(d.any(2, 5), tf.tensor2d([[1, 0], [4, 3]], [2, 2], "int32"), 1, 1), // prettier-ignore
  ],
  GatherNd: (d) => [tf.gatherND(d.any(3, 4, 2), tf.tensor2d([[0, 1], [2, 3]], [2, 2], "int32"))], // prettier-ignore
  ScatterNd: (d) => [tf.scatterND(tf.tensor2d([[4], [1], [4]], [3, 1], "int32"), d.any(3, 2), [6, 2])], // prettier-ignore
  TensorScatterUpdate: (d) => [tf.tensorScatterUpdate(d.any(5), tf.tensor2d([[4], [1]], [2, 1], "int32"), d.any(2))], // prettier-ignore
  UnsortedSegmentSum: (d) => [tf.unsortedSegmentSum(d.any(5, 3), tf.tensor1d([2, 0, 2, 3, 0], "int32"), 4)],
  SparseToDense: (d) => [
    tf.sparseToDense(tf.tensor2d([[1, 0], [2, 2]], [2, 2], "int32"), d.any(2), [3, 4], 0.5), // prettier-ignore
    tf.sparseToDense(tf.tensor1d([4, 1], "int32"), tf.scalar(3), [6], -1),
    tf.sparseToDense(tf.scalar(2, "int32"), tf.scalar(3, "int32"), [4], 0),
  ],
  Bincount: (d) => [
    tf.bincount(tf.tensor1d([1, 1, 4, 9], "int32"), d.any(4) as tf.Tensor1D, 5),
    tf.bincount(tf.tensor1d([1, 1, 4, 9], "int32"), tf.tensor1d([]), 5),
  ],
  DenseBincount: (d) => [
    tf.denseBincount(tf.tensor1d([1, 1, 4, 9], "int32"), d.any(4) as tf.Tensor1D, 5),
    tf.denseBincount(tf.tensor2d([[1, 1, 7], [0, 2, 2]], [2, 3], "int32"), d.any(2, 3) as tf.Tensor2D, 4), // prettier-ignore
    tf.denseBincount(tf.tensor2d([[1, 1, 7], [0, 2, 2]], [2, 3], "int32"), tf.tensor2d([], [0, 0]), 4, true), // prettier-ignore
  ],
  SearchSorted: (d) => [
    tf.lowerBound(tf.tensor1d([1, 2, 2, 5]), tf.tensor1d([2, 0, 7, 3])),
    tf.upperBound(tf.tensor2d([[1, 2, 2], [0, 4, 8]], [2, 3]), d.positive(2, 4)), // prettier-ignore
  ],
  OneHot: () => [tf.oneHot(tf.tensor1d([1, 0, 3], "int32"), 4), tf.oneHot(tf.tensor2d([[1], [2]], [2, 1], "int32"), 3, 5, -1, "float32")], // prettier-ignore
  Fill: () => [tf.fill([2, 3], 1.5), tf.fill([2], 7.5, "int32"), tf.fill([], -0.5)],
  Range: () => [tf.range(0, 5), tf.range(3, -4, -2), tf.range(0, 1, 0.25), tf.range(2, 2), tf.range(0, 6, 2, "int32")],
  LinSpace: () => [tf.linspace(0, 1, 5), tf.linspace(3, 3, 1)],
  Diag: (d) => [tf.diag(d.any(3)), tf.diag(d.any(2, 2))],
  BatchMatMul: (d) => [
    tf.matMul(d.any(3, 4), d.any(4, 5)),
    tf.matMul(d.any(4, 3), d.any(5, 4), true, true),
    tf.matMul(d.any(2, 3, 4), d.any(2, 5, 4), false, true),
    tf.matMul(d.any(2, 3, 4), d.any(1, 4, 5)),
    tf.matMul(d.any(2, 2, 3, 4), d.any(2, 2, 4, 1)),
    tf.matMul(d.any(1, 1), d.any(1, 1)),
  ],
  _FusedMatMul: (d) => [
    tf.fused.matMul({ a: d.any(3, 4), b: d.any(4, 5), bias: d.any(5), activation: "relu" }),
    tf.fused.matMul({ a: d.any(3, 4), b: d.any(5, 4), transposeB: true, activation: "elu" }),
    tf.fused.matMul({ a: d.any(3, 4), b: tf.mul(d.any(4, 5), 5), activation: "relu6" }),
    tf.fused.matMul({ a: d.any(3, 4), b: d.any(4, 5), activation: "leakyrelu", leakyreluAlpha: 0.3 }),
    tf.fused.matMul({ a: d.any(3, 4), b: d.any(4, 5), activation: "prelu", preluActivationWeights: d.positive(5) }),
    tf.fused.matMul({ a: d.any(3, 4), b: d.any(4, 5), bias: d.any(5), activation: "sigmoid" }),
  ],
  Einsum: (d) => [
    tf.einsum("ne,edf->ndf", d.any(3, 4), d.any(4, 2, 5)),
    tf.einsum("bij,bjk->bik", d.any(2, 3, 4), d.any(2, 4, 5)),
    tf.einsum("ij->ji", d.any(3, 4)),
    tf.einsum("ij,ij->i", d.any(3, 4), d.any(3, 4)),
  ],
};

beforeAll(() => tf.enableProdMode());

describe("kernels agree with tfjs's CPU backend", () => {
  it.each(Object.entries(CASES))("%s", (_, cases) => expectAgreement(cases));
});

describe("gradients agree with tfjs's CPU backend", () => {
  const functions: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    "sum over an axis": (x) => tf.sum(tf.square(tf.sum(x, 1))),
    "sum, axes kept": (x) => tf.sum(tf.mul(x, tf.sum(x, [0], true))),
    "mean over all": (x) => tf.mean(tf.square(x)),
    "mean over an axis": (x) => tf.sum(tf.exp(tf.mean(x, 0))),
    "log softmax": (x) => tf.sum(tf.square(tf.logSoftmax(x))),
    "matmul and slices": (x) => tf.sum(tf.square(tf.matMul(x, tf.slice(x, [0, 0], [2, 3]), false, true))),
  };
  it.each(Object.entries(functions))("%s", async (_, f) => {
    const gradient = (draw: Draws) => [tf.grad(f)(draw.any(4, 3))];
    const [expected] = await results("cpu", gradient);
    const [actual] = await results("xla", gradient);
    expectClose(actual, expected, { rtol: 2e-5, atol: 2e-6 });
  });
});

describe("NaN", () => {
  it("is what the greatest and the least are, wherever it stands", async () => {
    await tf.setBackend("xla");
    const [x, nan] = [tf.tensor1d([1, NaN, 3]), tf.tensor1d([NaN, 2, 0])];
    const all = tf.stack([tf.maximum(x, nan), tf.maximum(nan, x), tf.minimum(x, nan), tf.minimum(nan, x)]);
    expect(all.arraySync()).toEqual([
      [NaN, NaN, 3],
      [NaN, NaN, 3],
      [NaN, NaN, 0],
      [NaN, NaN, 0],
    ]);
    const ends = tf.stack([tf.max(x), tf.max(nan), tf.min(x), tf.min(nan)]);
    expect(ends.arraySync()).toEqual([NaN, NaN, NaN, NaN]);
  });

  it("is not where the greatest and the least are", async () => {
    await tf.setBackend("xla");
    const x = tf.tensor2d([NaN, 3, NaN, 1, NaN, NaN, NaN, NaN], [2, 4]);
    expect(tf.stack([tf.argMax(x, 1), tf.argMin(x, 1)]).arraySync()).toEqual([
      [1, 0],
      [3, 0],
    ]);
  });

  it("has no sign", async () => {
    await tf.setBackend("xla");
    expect(tf.sign(tf.tensor1d([NaN, -2, 0, 3])).arraySync()).toEqual([0, -1, 0, 1]);
  });
});

describe("copies", () => {
  it("are the same data, and outlive what they were made of", async () => {
    await tf.setBackend("xla");
    const before = tf.backend().numDataIds();
    const x = tf.tensor1d([1, 2]);
    const copy = x.clone();
    expect(tf.backend().numDataIds()).toBe(before + 1);
    x.dispose();
    expect(copy.arraySync()).toEqual([1, 2]);
    copy.dispose();
    expect(tf.backend().numDataIds()).toBe(before);
  });
});

describe("kernels on the host", () => {
  it("are not recorded as well, and exist", () => {
    for (const name of Object.keys(HOST_KERNELS)) {
      expect(name in KERNELS).toBe(false);
      expect(tf.getKernel(name, "xla")).toBeDefined();
    }
  });

  it("compute", async () => {
    await tf.setBackend("xla");
    expect(Array.from(tf.unique(tf.tensor1d([2, 1, 2], "int32")).values.dataSync())).toEqual([2, 1]);
    expect(tf.concat([tf.tensor1d(["a", "b"]), tf.tensor1d(["c"])]).arraySync()).toEqual(["a", "b", "c"]);
  });
});
