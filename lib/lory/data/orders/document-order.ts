import path from "node:path";
import type { Corpus } from "../corpus";
import { CorpusError, messageOf } from "../corpus-error";
import { sha256 } from "../manifest";
import { readNpy } from "../npy";
import { projectFolder } from "../project-folder";
import { bm25Chunks } from "../similarity/bm25-chunks";
import { releasedWalk } from "../similarity/released-walk";
import { type DocumentPaths, similarityWalk } from "../similarity/similarity-walk";
import type { BatchingConfig } from "./batching-config";
import type { DocumentOrder } from "./epoch-order";
import { encoderIdentity, NEIGHBOURS_VERSION, nearestDocuments } from "./nearest-documents";
import { orderHash, readOrder, writeOrder } from "./order-files";

/** What an order is of, beside the corpus and `batching`. */
export interface OrderOptions {
  /** Of the run: where `released` and `bm25` begin. */
  seed: number;
  /** L, tokens of an instance: where `bm25` ends a path. */
  contextLength: number;
  /** Where embeddings and orders are kept; default: `.cache` of the checkout. */
  cacheFolder?: string;
  onProgress?: (progress: OrderProgress) => void;
  signal?: AbortSignal;
}

/** What is under way; `done` of `total` documents. */
export interface OrderProgress {
  readonly stage: "embed" | "neighbours" | "order";
  readonly done: number;
  readonly total: number;
  readonly detail: string;
}

/** Raised whenever the same configuration gives another order than before. */
const ORDER_VERSION = 1;

/**
 * The order of a corpus's training documents. One that takes work is computed once and kept under the hash of the corpus, the method and
 * its options; a kept one that is damaged is computed again.
 *
 * @throws CorpusError for an unusable file or encoder, and when the order cannot be written; the signal's reason when aborted
 */
export async function documentOrder(
  corpus: Corpus,
  batching: BatchingConfig,
  options: OrderOptions,
): Promise<DocumentOrder> {
  const { order } = batching;
  if (order === "random" || order === "domain") return { batching };
  if (order === "file") return given(corpus, batching);
  const { cacheFolder = path.join(projectFolder(), ".cache") } = options;
  const key = orderKey(corpus, batching, options);
  const folder = path.join(cacheFolder, "orders", key.hash.slice(0, 24));
  const kept = readOrder(folder, corpus.train.documents);
  if (kept) return { batching, ...kept };
  const made = await compute(corpus, batching, { ...options, cacheFolder });
  return { batching, ...writeOrder(folder, made, key.text) };
}

/** What determines an order, as text and as its hash. */
function orderKey(corpus: Corpus, batching: BatchingConfig, { seed, contextLength }: OrderOptions) {
  const parts = {
    version: ORDER_VERSION,
    corpus: corpus.hash,
    batching,
    ...("embedding" in batching
      ? { encoder: encoderIdentity(batching.embedding), neighbours: NEIGHBOURS_VERSION }
      : {}),
    ...(batching.order === "similarity" ? {} : { seed }),
    ...(batching.order === "bm25" ? { contextLength } : {}),
  };
  const text = JSON.stringify(parts, null, 2);
  return { text, hash: sha256(text) };
}

async function compute(
  corpus: Corpus,
  batching: Exclude<BatchingConfig, { order: "random" | "domain" | "file" }>,
  options: OrderOptions & { cacheFolder: string },
): Promise<DocumentPaths> {
  const { seed, contextLength, onProgress, signal } = options;
  const total = corpus.train.documents;
  if (batching.order === "bm25") {
    const { bufferDocuments, queryTerms } = batching;
    const report = (done: number) => onProgress?.({ stage: "order", done, total, detail: "bm25" });
    const bm25 = { seed, bufferDocuments, queryTerms, pathTokens: contextLength, signal, onProgress: report };
    return bm25Chunks(corpus.train, bm25);
  }
  const neighbours = await nearestDocuments(corpus, batching, options);
  onProgress?.({ stage: "order", done: 0, total, detail: batching.order });
  const { order } = batching;
  const paths =
    order === "similarity"
      ? similarityWalk(neighbours)
      : releasedWalk(neighbours, { seed, pathLength: batching.pathLength });
  onProgress?.({ stage: "order", done: total, total, detail: order });
  return paths;
}

function given({ train, name }: Corpus, batching: { order: "file"; file: string }): DocumentOrder {
  const { file } = batching;
  let order: Uint32Array;
  try {
    order = Uint32Array.from(readNpy(file));
  } catch (error) {
    throw new CorpusError(`the order in ${file} cannot be read: ${messageOf(error)}`);
  }
  const seen = new Uint8Array(train.documents);
  order.forEach((document) => (seen[document] = 1));
  if (order.length !== train.documents || seen.includes(0)) {
    throw new CorpusError(
      `${file} does not name each training document of corpus ${name} once: it holds ${order.length} indices, the corpus ` +
        `${train.documents} documents, of which ${seen.filter((each) => each === 0).length} are not named`,
    );
  }
  return { batching, hash: orderHash(order), paths: { order, pathStarts: Uint32Array.of(0) } };
}
