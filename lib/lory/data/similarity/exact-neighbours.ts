/** N documents, D numbers of an embedding, Q queries of a block, S keys of a block, K neighbours. */
import * as tf from "@tensorflow/tfjs-core";
import { deviceKind, jit } from "tfjs-backend-xla";
import { requireInteger } from "../batches";
import { countDocuments, type Embeddings, NeighbourRows, type Neighbours } from "./neighbours";

export interface ExactOptions {
  /** Neighbours of each document. */
  k: number;
  /** Q: documents whose neighbours are sought at once. */
  queryBlock?: number;
  /** S: documents that they are compared with at once. The device holds Q x S similarities. */
  keyBlock?: number;
  /**
   * Where the nearest are picked: on the host, which reads all similarities, or on the device, which gives back K a query. Default: the host
   * where the device is the CPU, whose sort is slower than a scan; the device elsewhere.
   */
  select?: "host" | "device";
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Below the similarity of any two documents. */
const HIDDEN = -2;

/**
 * The K nearest documents of each document, all pairs compared: block by block on the tensor engine, so that memory is bounded by
 * one block of keys and the result. The cost grows with the square of N.
 *
 * @throws RangeError for a bad option; the signal's reason when aborted
 */
export async function exactNeighbours(embeddings: Embeddings, options: ExactOptions): Promise<Neighbours> {
  await tf.ready();
  const { k, queryBlock = 1024, keyBlock = 4096, select = deviceKind() === "cuda" ? "device" : "host" } = options;
  requireInteger("k", k, 1);
  requireInteger("queryBlock", queryBlock, 1);
  requireInteger("keyBlock", keyBlock, 1);
  const documents = countDocuments(embeddings);
  const rows = new NeighbourRows(documents, k);
  const search = select === "host" ? hostSearch(embeddings, rows, keyBlock) : deviceSearch(embeddings, rows, keyBlock);
  try {
    for (let first = 0; first < documents; first += queryBlock) {
      options.signal?.throwIfAborted();
      await search.find(first, queryBlock);
      options.onProgress?.(Math.min(first + queryBlock, documents), documents);
    }
  } finally {
    search.dispose();
  }
  return rows;
}

interface Search {
  /** Enters the neighbours of `count` documents from `first` on. */
  find(first: number, count: number): Promise<void>;
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

const similarities = (queries_QD: tf.Tensor2D, keys_SD: tf.Tensor2D): tf.Tensor2D =>
  tf.matMul(queries_QD, keys_SD, false, true);

function hostSearch(embeddings: Embeddings, rows: NeighbourRows, keyBlock: number): Search {
  const compare = jit(similarities, { name: "similarities of documents" });
  const keys = keyBlocks(embeddings, rows.documents, keyBlock);
  return {
    async find(first, count) {
      const queries_QD = block(embeddings, first, count);
      for (const [index, keys_SD] of keys.entries()) {
        const scores_QS = compare(queries_QD, keys_SD);
        const scores = (await scores_QS.data()) as Float32Array;
        scores_QS.dispose();
        enter(rows, scores, first, index * keyBlock, keyBlock);
      }
      queries_QD.dispose();
    },
    dispose: () => tf.dispose(keys),
  };
}

/** Enters a block of similarities, read from the device, into the rows. */
function enter(
  rows: NeighbourRows,
  scores: Float32Array,
  firstQuery: number,
  firstKey: number,
  keyBlock: number,
): void {
  const queries = Math.min(scores.length / keyBlock, rows.documents - firstQuery);
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

const integer = (value: number): tf.Scalar => tf.fill([], value, "int32");

function deviceSearch(embeddings: Embeddings, rows: NeighbourRows, keyBlock: number): Search {
  const { documents, k } = rows;
  const keys = keyBlocks(embeddings, documents, keyBlock);
  const merge = jit(
    (queries_QD: tf.Tensor2D, keys_SD: tf.Tensor2D, best_QK: tf.Tensor2D, ids_QK: tf.Tensor2D, at: tf.Tensor) => {
      const [firstQuery, firstKey] = tf.split(at, 2);
      const keyIds_1S = tf.reshape(tf.add(tf.range(0, keyBlock, 1, "int32"), firstKey), [1, -1]);
      const queryIds_Q1 = tf.reshape(tf.add(tf.range(0, queries_QD.shape[0], 1, "int32"), firstQuery), [-1, 1]);
      const seen_QS = tf.logicalAnd(tf.less(keyIds_1S, integer(documents)), tf.notEqual(keyIds_1S, queryIds_Q1));
      const scores_QS = tf.where(seen_QS, similarities(queries_QD, keys_SD), HIDDEN);
      // The best so far stand in front: they have lower indices than the block's, and of equals the first is taken.
      const top = tf.topk(tf.concat([best_QK, scores_QS], 1), k);
      const allIds_QC = tf.concat([ids_QK, tf.tile(keyIds_1S, [queries_QD.shape[0], 1])], 1);
      const columns = k + keyBlock;
      const starts_Q1 = tf.reshape(tf.mul(tf.range(0, queries_QD.shape[0], 1, "int32"), integer(columns)), [-1, 1]);
      const picked_QK = tf.gather(tf.reshape(allIds_QC, [-1]), tf.add<tf.Tensor2D>(top.indices, starts_Q1));
      return [top.values, picked_QK] as [tf.Tensor2D, tf.Tensor2D];
    },
    { name: "nearest documents" },
  );
  return {
    async find(first, count) {
      const queries_QD = block(embeddings, first, count);
      let best: [tf.Tensor2D, tf.Tensor2D] = [tf.fill([count, k], HIDDEN), tf.fill([count, k], -1, "int32")];
      for (const [index, keys_SD] of keys.entries()) {
        const at = tf.tensor1d([first, index * keyBlock], "int32");
        const next = merge(queries_QD, keys_SD, ...best, at);
        tf.dispose([best, at]);
        best = next;
      }
      const [values, ids] = await Promise.all(best.map((tensor) => tensor.data()));
      tf.dispose([queries_QD, best]);
      const queries = Math.min(count, documents - first);
      for (let i = 0; i < queries * k; i++) {
        if (values[i] > HIDDEN) rows.offer(first + Math.floor(i / k), ids[i], values[i]);
      }
    },
    dispose: () => tf.dispose(keys),
  };
}

/** All embeddings on the device, block by block. */
function keyBlocks(embeddings: Embeddings, documents: number, keyBlock: number): tf.Tensor2D[] {
  return Array.from({ length: Math.ceil(documents / keyBlock) }, (_, i) => block(embeddings, i * keyBlock, keyBlock));
}
