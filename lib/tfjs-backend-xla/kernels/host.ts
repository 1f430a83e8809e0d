/**
 * Kernels that run on the host, by tfjs's own CPU backend: they work on strings, or the shape of what they return depends on data,
 * or they are too rare for the device so far. They read their inputs, so they cannot be part of a compiled function.
 */
export const HOST_KERNELS = [
  "Acos",
  "Acosh",
  "Asin",
  "Asinh",
  "Atan",
  "Atanh",
  "Bincount",
  "Complex",
  "Cosh",
  "DenseBincount",
  "Imag",
  "Multinomial",
  "NonMaxSuppressionV3",
  "Real",
  "Sinh",
  "StringNGrams",
  "StringSplit",
  "StringToHashBucketFast",
  "Unique",
] as const;

/** Those of them that return as many elements as the data asks for, which no compiled program can. */
export const DATA_SHAPED: ReadonlySet<string> = new Set([
  "NonMaxSuppressionV3",
  "NonMaxSuppressionV4",
  "NonMaxSuppressionV5",
  "RaggedGather",
  "RaggedRange",
  "RaggedTensorToTensor",
  "SparseFillEmptyRows",
  "SparseReshape",
  "SparseSegmentMean",
  "SparseSegmentSum",
  "Unique",
]);
