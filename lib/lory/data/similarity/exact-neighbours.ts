/** N documents, D numbers of an embedding, Q queries of a block, S keys of a block, K neighbours. */
import * as tf from "@tensorflow/tfjs-core";
import { deviceKind, jit, type Precision } from "tfjs-backend-xla";
import { requireInteger } from "../batches";
import { CHUNK_KEYS, type Candidates, greatest, HIDDEN, likelyKeys } from "./device-selection";
import { countDocuments, type Embeddings, NeighbourRows, type Neighbours } from "./neighbours";

export interface ExactOptions {
  /** Neighbours of each document. */
  k: number;
  /** The documents whose neighbours are sought: so many, from the first on. Rows of others stay empty. Default: all. */
  sought?: number;
  /** Q: documents whose neighbours are sought at once; by default 1024 on the host, 4096 on the device. */
  queryBlock?: number;
  /**
   * S: documents that they are compared with at once; by default 4096 on the host, 65536 on the device, where it is made a multiple of
   * 128. The device holds Q x S similarities, 1 GiB by default there, beside all embeddings.
   */
  keyBlock?: number;
  /**
   * Where the nearest are picked: on the host, which reads all similarities, or on the device, which gives back K a query. Default: the host
   * where the device is the CPU, which scans a row once where the device makes K passes; the device elsewhere.
   */
  select?: "host" | "device";
  /** How products are computed; default: `highest`, f32 on every device. `default` is faster on NVIDIA's GPUs, by TF32, and moves close neighbours. */
  precision?: Precision;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Q and S by where the nearest are picked: what crosses to the host, or what fills a GPU. */
const BLOCKS = { host: { query: 1024, key: 4096 }, device: { query: 4096, key: 65_536 } } as const;

/**
 * The K nearest documents of each document, all pairs compared: block by block on the tensor engine, so that memory is bounded by
 * the embeddings, one block of similarities and the result. The cost grows with the square of N.
 *
 * @throws RangeError for a bad option; the signal's reason when aborted
 */
export async function exactNeighbours(embeddings: Embeddings, options: ExactOptions): Promise<Neighbours> {
  await tf.ready();
  const { k, select = deviceKind() === "cuda" ? "device" : "host", precision = "highest" } = options;
  const { queryBlock = BLOCKS[select].query, keyBlock = BLOCKS[select].key } = options;
  requireInteger("k", k, 1);
  requireInteger("queryBlock", queryBlock, 1);
  requireInteger("keyBlock", keyBlock, 1);
  const documents = countDocuments(embeddings);
  const { sought = documents } = options;
  requireInteger("sought", sought, 0);
  const end = Math.min(sought, documents);
  const rows = new NeighbourRows(documents, k);
  const search = (select === "host" ? hostSearch : deviceSearch)(embeddings, rows, { keyBlock, precision, end });
  try {
    for (let first = 0; first < end; first += queryBlock) {
      options.signal?.throwIfAborted();
      await search.find(first, queryBlock);
      options.onProgress?.(Math.min(first + queryBlock, end), end);
    }
    await search.finish();
  } finally {
    search.dispose();
  }
  return rows;
}

interface Comparison extends Required<Pick<ExactOptions, "keyBlock" | "precision">> {
  /** Documents from here on are not sought. */
  readonly end: number;
}

interface Search {
  /** Enters the neighbours of `count` documents from `first` on, or begins to. */
  find(first: number, count: number): Promise<void>;
  /** Enters what is not yet. */
  finish(): Promise<void>;
  dispose(): void;
}

/** Rows `first` to `first + count` of the embeddings, [count, D]; zeros beyond the end, so that all blocks have one shape. */
function block({ vectors_ND, dimension }: Embeddings, first: number, count: number): tf.Tensor2D {
  const rows = vectors_ND.subarray(first * dimension, (first + count) * dimension);
  if (rows.length === count * dimension) return tf.tensor2d(rows, [count, dimension], "float32");
  const padded = new Float32Array(count * dimension);
  padded.set(rows);
  return tf.tensor2d(padded, [count, dimension], "float32");
}

/** [Q, S], of unit vectors. */
export const similarities = (queries_QD: tf.Tensor2D, keys_SD: tf.Tensor2D): tf.Tensor2D =>
  tf.matMul(queries_QD, keys_SD, false, true);

function hostSearch(embeddings: Embeddings, rows: NeighbourRows, { keyBlock, precision, end }: Comparison): Search {
  const compare = jit(similarities, { name: "similarities of documents", precision });
  const keys = keyBlocks(embeddings, rows.documents, keyBlock);
  return {
    async find(first, count) {
      const queries_QD = block(embeddings, first, count);
      for (const [index, keys_SD] of keys.entries()) {
        const scores_QS = compare(queries_QD, keys_SD);
        const scores = (await scores_QS.data()) as Float32Array;
        scores_QS.dispose();
        enter(rows, scores, { firstQuery: first, end, firstKey: index * keyBlock, keyBlock });
      }
      queries_QD.dispose();
    },
    finish: () => Promise.resolve(),
    dispose: () => tf.dispose(keys),
  };
}

/** Enters a block of similarities, read from the device, into the rows. */
function enter(
  rows: NeighbourRows,
  scores: Float32Array,
  { firstQuery, end, firstKey, keyBlock }: { firstQuery: number; end: number; firstKey: number; keyBlock: number },
): void {
  const queries = Math.min(scores.length / keyBlock, end - firstQuery);
  const keys = Math.min(keyBlock, rows.documents - firstKey);
  for (let q = 0; q < queries; q++) {
    const document = firstQuery + q;
    let worst = rows.worst(document);
    for (let s = 0; s < keys; s++) {
      const score = scores[q * keyBlock + s];
      // Keys come in order of index, so that one of the same similarity comes too late.
      if (score <= worst || firstKey + s === document) continue;
      rows.offer(document, firstKey + s, score);
      worst = rows.worst(document);
    }
  }
}

/** The best of a block of queries so far, on the device. */
interface Best {
  readonly first: number;
  readonly best: Candidates;
}

function deviceSearch(embeddings: Embeddings, rows: NeighbourRows, comparison: Comparison): Search {
  const { documents, k } = rows;
  // Whole chunks, and no more than there are documents.
  const keyBlock = Math.ceil(Math.min(comparison.keyBlock, documents) / CHUNK_KEYS) * CHUNK_KEYS;
  const keys = keyBlocks(embeddings, documents, keyBlock);
  const merge = jit(
    (queries_QD: tf.Tensor2D, keys_SD: tf.Tensor2D, best: Candidates, at: tf.Tensor) => {
      const [firstQuery, firstKey, end] = tf.split(at, 3);
      const queryIds_Q1 = tf.reshape(tf.add(tf.range(0, queries_QD.shape[0], 1, "int32"), firstQuery), [-1, 1]);
      const isSeen = (ids: tf.Tensor2D): tf.Tensor2D => tf.logicalAnd(tf.less(ids, end), tf.notEqual(ids, queryIds_Q1));
      const likely = likelyKeys(similarities(queries_QD, keys_SD), firstKey, isSeen, k);
      const values = tf.concat([best.values, likely.values], 1);
      return greatest({ values, ids: tf.concat([best.ids, likely.ids], 1) }, k);
    },
    { name: "nearest documents", precision: comparison.precision },
  );
  let computing: Best | undefined;
  const collect = async ({ first, best }: Best): Promise<void> => {
    const [values, ids] = await Promise.all([best.values.data(), best.ids.data()]);
    const queries = Math.min(values.length / k, comparison.end - first);
    for (let i = 0; i < queries * k; i++) {
      if (values[i] > HIDDEN) rows.offer(first + Math.floor(i / k), ids[i], values[i]);
    }
    tf.dispose(best);
  };
  return {
    async find(first, count) {
      const queries_QD = block(embeddings, first, count);
      let best: Candidates = { values: tf.fill([count, k], HIDDEN), ids: tf.fill([count, k], -1, "int32") };
      for (const [index, keys_SD] of keys.entries()) {
        const at = tf.tensor1d([first, index * keyBlock, documents], "int32");
        const next = merge(queries_QD, keys_SD, best, at);
        tf.dispose([best, at]);
        best = next;
      }
      queries_QD.dispose();
      // The device goes on with this block while the one before it is read.
      const previous = computing;
      computing = { first, best };
      if (previous) await collect(previous);
    },
    async finish() {
      if (computing) await collect(computing);
      computing = undefined;
    },
    dispose: () => tf.dispose([keys, computing?.best]),
  };
}

/** All embeddings on the device, block by block. */
function keyBlocks(embeddings: Embeddings, documents: number, keyBlock: number): tf.Tensor2D[] {
  return Array.from({ length: Math.ceil(documents / keyBlock) }, (_, i) => block(embeddings, i * keyBlock, keyBlock));
}
