// Shapes: B batch, H heads, L context, K head size, P positions a block, I blocks, S = I P >= L.
import * as tf from "@tensorflow/tfjs-core";
import { scan } from "tfjs-backend-xla";
import { withGradient } from "./with-gradient";

export interface BlockedAttentionOptions {
  /** The most positions that a block of queries or keys has; at least 1. */
  readonly blockLength: number;
  /** int32, [B, L]: a position sees only positions of the same document. */
  readonly documentIds_BL?: tf.Tensor2D;
}

/** What stands for a score that is hidden: after the softmax its weight is exactly 0. */
const HIDDEN = -1e30;

/**
 * Causal attention `softmax(q k^T / sqrt(K)) v` of which no more than one block of scores exists at a time: memory grows linearly with L.
 *
 * The softmax is taken online (Milakov and Gimelshein 2018); the backward pass computes the scores again from the logarithm of each
 * row's sum, as FlashAttention does (Dao et al. 2022). Blocks in the future are never visited. The pairs of blocks are one loop, so that
 * the size of the program does not depend on L.
 *
 * @param q_BHLK queries, [B, H, L, K]; keys and values are of the same shape
 * @returns [B, H, L, K]
 * @throws Error if the block length is no whole number of at least 1, or the document ids are not [B, L]
 */
export function blockedAttention(
  q_BHLK: tf.Tensor4D,
  k_BHLK: tf.Tensor4D,
  v_BHLK: tf.Tensor4D,
  { blockLength, documentIds_BL }: BlockedAttentionOptions,
): tf.Tensor4D {
  const [batch, , length, headSize] = q_BHLK.shape;
  demandBlockLength(blockLength);
  if (documentIds_BL) demandDocumentIds(documentIds_BL, batch, length);
  const cut = new Blocks(length, blockLength);
  const scale = headSize ** -0.5;
  return withGradient<tf.Tensor4D>(
    [q_BHLK, k_BHLK, v_BHLK],
    ([q, k, v], save) => {
      const inputs = { q: cut.split(tf.mul(q, scale)), k: cut.split(k), v: cut.split(v) };
      const ids = documentIds_BL && cut.splitIds(documentIds_BL);
      const { out, logSum } = mixBlocks(cut, inputs, ids);
      const mixed_BHLK = cut.join(out);
      save([q, k, v, mixed_BHLK, cut.join(logSum), ...(documentIds_BL ? [documentIds_BL] : [])]);
      return mixed_BHLK;
    },
    (dOut, [q, k, v, out, logSum, documentIds]) => {
      const delta_BHL1 = tf.sum(tf.mul(dOut, out), -1, true);
      const known = {
        q: cut.split(tf.mul(q, scale)),
        k: cut.split(k),
        v: cut.split(v),
        dOut: cut.split(dOut),
        logSum: cut.split(logSum),
        delta: cut.split(delta_BHL1),
      };
      const ids = documentIds && cut.splitIds(documentIds as tf.Tensor2D);
      const { dq, dk, dv } = differentiateBlocks(cut, known, ids);
      return [tf.mul(cut.join(dq), scale), cut.join(dk), cut.join(dv)];
    },
  );
}

/** Throws unless a block of so many positions can be. */
export function demandBlockLength(blockLength: number): void {
  if (Number.isSafeInteger(blockLength) && blockLength >= 1) return;
  throw new Error(`blockLength is ${blockLength}: expected a whole number of at least 1`);
}

/** Throws unless there is one document id for each position of each row. */
export function demandDocumentIds({ shape, dtype }: tf.Tensor, batch: number, length: number): void {
  const [rows, positions] = shape;
  if (shape.length === 2 && rows === batch && positions === length && dtype === "int32") return;
  throw new Error(`document ids are ${dtype} [${shape.join(", ")}]: expected int32 [${batch}, ${length}]`);
}

type Named<Name extends string> = Record<Name, tf.Tensor>;

/** The forward pass over blocks of scaled queries, keys and values: what each query takes, and the logarithm of its sum. */
function mixBlocks(
  cut: Blocks,
  { q: q_IBHPK, k: k_IBHPK, v: v_IBHPK }: Named<"q" | "k" | "v">,
  ids_IBP: tf.Tensor | undefined,
): Named<"out" | "logSum"> {
  const [, batch, heads, block] = q_IBHPK.shape;
  const column = [batch, heads, block, 1];
  const step = (
    { max, sum, mixed, out, logSum }: Named<"max" | "sum" | "mixed" | "out" | "logSum">,
    { query, key }: Named<"query" | "key">,
  ) => {
    const scores_BHPP = tf.matMul(at(q_IBHPK, query), at(k_IBHPK, key), false, true);
    const seen_BHPP = tf.where(cut.visible(query, key, ids_IBP), scores_BHPP, HIDDEN);
    // A query meets its own block first, so that what the carry holds of another query's block counts for nothing.
    const before_BHP1 = tf.where(tf.equal(query, key), HIDDEN, max);
    const max_BHP1 = tf.maximum(before_BHP1, tf.max(seen_BHPP, -1, true));
    const shrink_BHP1 = tf.exp(tf.sub(before_BHP1, max_BHP1));
    const weights_BHPP = tf.exp(tf.sub(seen_BHPP, max_BHP1));
    const sum_BHP1 = tf.add(tf.mul(sum, shrink_BHP1), tf.sum(weights_BHPP, -1, true));
    const mixed_BHPK = tf.add(tf.mul(mixed, shrink_BHP1), tf.matMul(weights_BHPP, at(v_IBHPK, key)));
    const next = {
      max: max_BHP1,
      sum: sum_BHP1,
      mixed: mixed_BHPK,
      // Written at every key block; what the query's last one writes remains.
      out: put(out, query, tf.div(mixed_BHPK, sum_BHP1)),
      logSum: put(logSum, query, tf.add(max_BHP1, tf.log(sum_BHP1))),
    };
    return [next, null] as const;
  };
  const start = {
    max: zeros(column),
    sum: zeros(column),
    mixed: zeros(q_IBHPK.shape.slice(1)),
    out: zeros(q_IBHPK.shape),
    logSum: zeros([cut.count, ...column]),
  };
  return scan(step, start, cut.pairs(), { name: "attention by blocks" })[0];
}

/** The backward pass: gradients by scaled queries, keys and values, in blocks. */
function differentiateBlocks(
  cut: Blocks,
  known: Named<"q" | "k" | "v" | "dOut" | "logSum" | "delta">,
  ids_IBP: tf.Tensor | undefined,
): Named<"dq" | "dk" | "dv"> {
  const step = ({ dq, dk, dv }: Named<"dq" | "dk" | "dv">, { query, key }: Named<"query" | "key">) => {
    const [q_BHPK, dOut_BHPK] = [at(known.q, query), at(known.dOut, query)];
    const [k_BHPK, v_BHPK] = [at(known.k, key), at(known.v, key)];
    const scores_BHPP = tf.matMul(q_BHPK, k_BHPK, false, true);
    const seen_BHPP = tf.where(cut.visible(query, key, ids_IBP), scores_BHPP, HIDDEN);
    const weights_BHPP = tf.exp(tf.sub(seen_BHPP, at(known.logSum, query)));
    const dWeights_BHPP = tf.matMul(dOut_BHPK, v_BHPK, false, true);
    const dScores_BHPP = tf.mul(weights_BHPP, tf.sub(dWeights_BHPP, at(known.delta, query)));
    const next = {
      dq: put(dq, query, tf.add(at(dq, query), tf.matMul(dScores_BHPP, k_BHPK))),
      dk: put(dk, key, tf.add(at(dk, key), tf.matMul(dScores_BHPP, q_BHPK, true))),
      dv: put(dv, key, tf.add(at(dv, key), tf.matMul(weights_BHPP, dOut_BHPK, true))),
    };
    return [next, null] as const;
  };
  const { shape } = known.q;
  const start = { dq: zeros(shape), dk: zeros(shape), dv: zeros(shape) };
  return scan(step, start, cut.pairs(), { name: "gradients of attention by blocks" })[0];
}

/** Zeros made where they are needed: `tf.zeros` would fill an array on the host, while a program is traced too. */
const zeros = (shape: number[]): tf.Tensor => tf.fill(shape, 0);

/** The block that a scalar names, [I, ...] to [...]. */
const at = (blocks: tf.Tensor, index: tf.Tensor): tf.Tensor => tf.gather(blocks, index);

/** The blocks with one of them replaced. */
const put = (blocks: tf.Tensor, index: tf.Tensor, block: tf.Tensor): tf.Tensor =>
  tf.tensorScatterUpdate(blocks, tf.reshape(index, [1, 1]), tf.expandDims(block, 0));

/** Positions 0 .. L - 1 cut into blocks as even as can be; what the last one lacks is padded. */
class Blocks {
  readonly count: number;
  readonly #length: number;
  readonly #block: number;

  constructor(length: number, blockLength: number) {
    this.#length = length;
    this.count = Math.ceil(length / blockLength);
    this.#block = Math.ceil(length / this.count);
  }

  get #padding(): [number, number] {
    return [0, this.count * this.#block - this.#length];
  }

  /** [B, H, L, K] to [I, B, H, P, K]. */
  split(x_BHLK: tf.Tensor): tf.Tensor {
    const [batch, heads, , size] = x_BHLK.shape;
    const x_BHSK = tf.pad(x_BHLK, [[0, 0], [0, 0], this.#padding, [0, 0]]); // prettier-ignore
    return tf.transpose(tf.reshape(x_BHSK, [batch, heads, this.count, this.#block, size]), [2, 0, 1, 3, 4]);
  }

  /** [B, L] to [I, B, P]. */
  splitIds(ids_BL: tf.Tensor2D): tf.Tensor {
    const ids_BS = tf.pad(ids_BL, [[0, 0], this.#padding]);
    return tf.transpose(tf.reshape(ids_BS, [ids_BL.shape[0], this.count, this.#block]), [1, 0, 2]);
  }

  /** [I, B, H, P, K] to [B, H, L, K]. */
  join(x_IBHPK: tf.Tensor): tf.Tensor4D {
    const [, batch, heads, , size] = x_IBHPK.shape;
    const x_BHSK = tf.reshape(tf.transpose(x_IBHPK, [1, 2, 0, 3, 4]), [batch, heads, this.count * this.#block, size]);
    return tf.slice(x_BHSK as tf.Tensor4D, [0, 0, 0, 0], [batch, heads, this.#length, size]);
  }

  /** Every pair of a block of queries and one of keys that it sees, each query's own block first. */
  pairs(): Named<"query" | "key"> {
    const queries = Array.from({ length: this.count }, (_, i) => i);
    const pairs = queries.flatMap((query) => queries.slice(0, query + 1).map((back) => [query, query - back]));
    const column = (of: number): tf.Tensor => tf.tensor1d(pairs.map((pair) => pair[of]), "int32"); // prettier-ignore
    return { query: column(0), key: column(1) };
  }

  /** Which queries of a block see which keys of another: [P, P], or [B, 1, P, P] if documents are apart. */
  visible(query: tf.Tensor, key: tf.Tensor, ids_IBP: tf.Tensor | undefined): tf.Tensor {
    const within_P = tf.range(0, this.#block, 1, "int32");
    const first = (index: tf.Tensor): tf.Tensor => tf.mul(index, tf.scalar(this.#block, "int32"));
    const positions_P1 = tf.reshape(tf.add(within_P, first(query)), [-1, 1]);
    const past_PP = tf.greaterEqual(positions_P1, tf.add(within_P, first(key)));
    if (ids_IBP === undefined) return past_PP;
    const [, batch, block] = ids_IBP.shape;
    const same_B1PP = tf.equal(
      tf.reshape(at(ids_IBP, query), [batch, 1, block, 1]),
      tf.reshape(at(ids_IBP, key), [batch, 1, 1, block]),
    );
    return tf.logicalAnd(past_PP, same_B1PP);
  }
}
