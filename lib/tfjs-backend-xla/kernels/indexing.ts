import * as tf from "@tensorflow/tfjs-core";
import {
  binary,
  broadcastInDim,
  broadcastTo,
  compare,
  convert,
  gather,
  iota,
  reshape,
  scatter,
  select,
  splat,
  sum,
  type Value,
} from "../stablehlo";
import { asTensor, attributeType, axesOf, like, type Attributes, type Kernel } from "./kernel";

/** Whole slices of x along an axis, picked by index; indices outside are clamped. */
export function gatherAlong(x: Value, indices: Value, axis: number, batchDims: number): Value {
  const rank = x.type.shape.length;
  const picked = indices.type.shape.length - batchDims;
  const before = Array.from({ length: axis - batchDims }, (_, i) => batchDims + i);
  const after = Array.from({ length: rank - axis - 1 }, (_, i) => axis + picked + i);
  const batch = Array.from({ length: batchDims }, (_, i) => i);
  const dims = {
    offsetDims: [...before, ...after],
    collapsedSliceDims: [axis],
    operandBatchingDims: batch,
    startIndicesBatchingDims: batch,
    startIndexMap: [axis],
    indexVectorDim: indices.type.shape.length,
  };
  return gather(
    x,
    convert(indices, "i32"),
    dims,
    x.type.shape.map((n, i) => (i === axis || i < batchDims ? 1 : n)),
  );
}

/** Sums of rows by the segment that each belongs to; negative and too great segments count nowhere. */
function segmentSum(x: Value, ids: Value, numSegments: number): Value {
  const lead = ids.type.shape.length;
  const rest = x.type.shape.slice(lead);
  const window = rest.map((_, i) => lead + i);
  const dims = {
    updateWindowDims: window,
    insertedWindowDims: [0],
    scatterDimsToOperandDims: [0],
    indexVectorDim: lead,
  };
  return scatter(splat(0, x.type.dtype, [numSegments, ...rest]), ids, x, dims, (a, b) => binary("add", a, b));
}

/** Slices of x at the places that the last axis of `indices` names. */
export function gatherNd(x: Value, indices: Value): Value {
  const depth = indices.type.shape[indices.type.shape.length - 1];
  const lead = indices.type.shape.length - 1;
  const axes = Array.from({ length: depth }, (_, i) => i);
  const offsetDims = x.type.shape.slice(depth).map((_, i) => lead + i);
  return gather(
    x,
    indices,
    { offsetDims, collapsedSliceDims: axes, startIndexMap: axes, indexVectorDim: lead },
    x.type.shape.map((n, i) => (i < depth ? 1 : n)),
  );
}

function scatterNd(onto: Value, given: Value, updates: Value, combine: (old: Value, update: Value) => Value): Value {
  const { shape } = given.type;
  const indices = shape.length === 1 ? reshape(given, [...shape, 1]) : given; // each its own index
  const lead = indices.type.shape.length - 1;
  const depth = indices.type.shape[lead];
  const axes = Array.from({ length: depth }, (_, i) => i);
  const updateWindowDims = onto.type.shape.slice(depth).map((_, i) => lead + i);
  const slices = [...indices.type.shape.slice(0, lead), ...onto.type.shape.slice(depth)];
  return scatter(
    onto,
    indices,
    broadcastTo(updates, slices),
    { updateWindowDims, insertedWindowDims: axes, scatterDimsToOperandDims: axes, indexVectorDim: lead },
    combine,
  );
}

function oneHot(indices: Value, { depth, onValue, offValue, dtype }: Attributes): Value {
  const shape = [...indices.type.shape, depth as number];
  const type = attributeType(dtype);
  const hit = compare(
    "EQ",
    broadcastInDim(
      indices,
      shape,
      indices.type.shape.map((_, i) => i),
    ),
    iota("i32", shape, shape.length - 1),
  );
  return select(hit, splat(onValue as number, type, shape), splat(offValue as number, type, shape));
}

const add = (a: Value, b: Value): Value => binary("add", a, b);
const isEmpty = (x: Value): boolean => x.type.shape.includes(0);

/** How often each number from 0 to size - 1 occurs, or the sum of its weights; other numbers are not counted. */
function bincount(x: Value, weights: Value, size: number): Value {
  const counted = isEmpty(weights) ? splat(1, weights.type.dtype, x.type.shape) : weights;
  return segmentSum(counted, convert(x, "i32"), size);
}

/** `bincount` of a vector, or of each row of a matrix; `binary` says only whether a number occurs. */
const denseBincount: Kernel = ({ x, weights }, attrs) => {
  const size = attrs.size as number;
  const { dtype } = weights.type;
  const once = attrs.binaryOutput === true;
  if (x.type.shape.length === 1 && !once) return bincount(x, weights, size);
  const [rows, columns] = x.type.shape.length === 1 ? [1, x.type.shape[0]] : x.type.shape;
  const numbers = convert(reshape(x, [rows, columns]), "i32");
  const row = iota("i32", [rows, columns], 0);
  const inside = binary("and", compare("GE", numbers, like(numbers, 0)), compare("LT", numbers, like(numbers, size)));
  const cell = add(binary("multiply", row, like(row, size)), numbers);
  const bins = select(inside, cell, like(cell, -1));
  const given = once || isEmpty(weights) ? splat(1, dtype, [rows, columns]) : reshape(weights, [rows, columns]);
  const counts = segmentSum(given, bins, rows * size);
  const result = once ? convert(compare("NE", counts, like(counts, 0)), dtype) : counts;
  return reshape(result, x.type.shape.length === 1 ? [size] : [rows, size]);
};

/** By row, how many elements of a sorted sequence stand before each value: less than it, or for `right` less or equal. */
const searchSorted: Kernel = ({ sortedSequence, values }, { side }) => {
  const [rows, length] = sortedSequence.type.shape;
  const shape = [rows, values.type.shape[1], length];
  const sequence = broadcastInDim(sortedSequence, shape, [0, 2]);
  const before = compare(side === "left" ? "LT" : "LE", sequence, broadcastInDim(values, shape, [0, 1]));
  return sum(convert(before, "i32"), [2]);
};

/** Kernels that pick elements by index, or put them there. Indices outside are clamped where they pick, ignored where they put. */
export const INDEXING = {
  GatherV2: ({ x, indices }, attrs) => {
    const axis = axesOf(attrs.axis ?? 0, x.type.shape.length)[0];
    const batchDims = (attrs.batchDims as number | undefined) ?? 0;
    tf.backend_util.segment_util.collectGatherOpShapeInfo(asTensor(x), asTensor(indices), axis, batchDims);
    return gatherAlong(x, indices, axis, batchDims < 0 ? batchDims + indices.type.shape.length : batchDims);
  },
  GatherNd: ({ params, indices }) => {
    tf.backend_util.prepareAndValidate(asTensor(params), asTensor(indices));
    return gatherNd(params, indices);
  },
  ScatterNd: ({ indices, updates }, { shape }) =>
    scatterNd(splat(0, updates.type.dtype, shape as number[]), indices, updates, (a, b) => binary("add", a, b)),
  TensorScatterUpdate: ({ tensor, indices, updates }) => scatterNd(tensor, indices, updates, (_, update) => update),
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }) => segmentSum(x, segmentIds, numSegments as number),
  OneHot: ({ indices }, attrs) => oneHot(convert(indices, "i32"), attrs),
  SparseToDense: ({ sparseIndices, sparseValues, defaultValue }, { outputShape }) => {
    const background = broadcastTo(convert(defaultValue, sparseValues.type.dtype), outputShape as number[]);
    const indices = sparseIndices.type.shape.length === 0 ? reshape(sparseIndices, [1]) : sparseIndices;
    return scatterNd(background, convert(indices, "i32"), sparseValues, (_, update) => update);
  },
  Bincount: ({ x, weights }, { size }) => bincount(x, weights, size as number),
  DenseBincount: denseBincount,
  SearchSorted: searchSorted,
} as const satisfies Record<string, Kernel>;
