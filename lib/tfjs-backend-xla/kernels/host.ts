const STRINGS = "the device holds no strings";
const SHAPE = "the shape of what it returns depends on data";
const CHECKED = "it must refuse bad data with an error, and so has to see it";
const SEED = "one seed gives the numbers that tfjs's other backends draw";

/**
 * Every kernel that runs on the host, by tfjs's own CPU backend, and why. They read their inputs, so they cannot be part of a
 * compiled function. Of tensors of strings all other kernels run there too.
 */
export const HOST_KERNELS = {
  BroadcastArgs: CHECKED,
  Multinomial: SEED,
  NonMaxSuppressionV3: SHAPE,
  NonMaxSuppressionV4: SHAPE,
  NonMaxSuppressionV5: SHAPE,
  RaggedGather: SHAPE,
  RaggedRange: SHAPE,
  RaggedTensorToTensor: SHAPE,
  SparseFillEmptyRows: SHAPE,
  SparseReshape: SHAPE,
  SparseSegmentMean: SHAPE,
  SparseSegmentSum: SHAPE,
  StaticRegexReplace: STRINGS,
  StringNGrams: STRINGS,
  StringSplit: STRINGS,
  StringToHashBucketFast: STRINGS,
  Unique: SHAPE,
} as const satisfies Record<string, string>;

/** Those of them that return as many elements as the data asks for, which no compiled program can. */
export const DATA_SHAPED: ReadonlySet<string> = new Set(
  Object.entries(HOST_KERNELS).flatMap(([name, reason]) => (reason === SHAPE ? [name] : [])),
);
