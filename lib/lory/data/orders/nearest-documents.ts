import * as tf from "@tensorflow/tfjs-core";
import path from "node:path";
import { deviceKind } from "tfjs-backend-xla";
import type { Corpus } from "../corpus";
import { sha256 } from "../manifest";
import { approximateNeighbours } from "../similarity/approximate-neighbours";
import type { Embedder } from "../similarity/embedder";
import { embedDocuments } from "../similarity/embedding-cache";
import { energeticEncoder } from "../similarity/energetic";
import { exactNeighbours } from "../similarity/exact-neighbours";
import type { Embeddings, Neighbours } from "../similarity/neighbours";
import { onnxEncoder, onnxIdentity } from "../similarity/onnx";
import { textEmbedder } from "../similarity/text-embedder";
import { tfIdfEmbedder } from "../similarity/tf-idf";
import { loadTokenizer } from "../tokenizer";
import type { EmbeddingConfig, Search } from "./batching-config";
import type { OrderOptions } from "./document-order";
import { keepNeighbours, keptNeighbours } from "./neighbour-files";

/** `search: "auto"` compares all pairs of so many documents, by what computes: a minute or two on two cores, less on a GPU of a data centre. */
export const LARGEST_EXACT = { cpu: 100_000, cuda: 1_000_000 } as const;

async function largestExact(): Promise<number> {
  await tf.ready();
  return LARGEST_EXACT[deviceKind() === "cuda" ? "cuda" : "cpu"];
}

/** The embedder of a configuration, for a corpus. The caller closes it. */
export async function openEmbedder(corpus: Corpus, embedding: EmbeddingConfig): Promise<Embedder> {
  if (embedding.encoder === "tf-idf") return tfIdfEmbedder(corpus.train, embedding.dimension);
  const tokenizer = await loadTokenizer(corpus.tokenizer);
  const options = { decode: (tokens: Int32Array) => tokenizer.decode(tokens), maxChunks: embedding.maxChunks };
  return embedding.encoder === "energetic"
    ? textEmbedder(await energeticEncoder(embedding.chunkCharacters), options)
    : textEmbedder(await onnxEncoder(embedding.model, embedding.chunkTokens), options);
}

/** The vectors of a corpus's training documents; see `embedDocuments`. */
export async function corpusEmbeddings(
  corpus: Corpus,
  embedding: EmbeddingConfig,
  { cacheFolder, onProgress, signal }: Pick<OrderOptions, "cacheFolder" | "onProgress" | "signal">,
): Promise<Embeddings> {
  onProgress?.({ stage: "embed", done: 0, total: corpus.train.documents, detail: embedding.encoder });
  const embedder = await openEmbedder(corpus, embedding);
  try {
    return await embedDocuments(corpus, embedder, {
      cacheFolder: cacheFolder && path.join(cacheFolder, "embeddings"),
      signal,
      onProgress: (done, total) => onProgress?.({ stage: "embed", done, total, detail: embedding.encoder }),
    });
  } finally {
    await embedder.close();
  }
}

/** What of an encoder lies outside of its configuration. */
export function encoderIdentity(embedding: EmbeddingConfig): string {
  return embedding.encoder === "onnx" ? onnxIdentity(embedding.model) : embedding.encoder;
}

/** Raised whenever the same configuration gives other neighbours than before. */
export const NEIGHBOURS_VERSION = { exact: 1, approximate: 2 } as const;

/** The nearest of each of a corpus's training documents. They are sought once and kept, for all orders that are made of them. */
export async function nearestDocuments(
  corpus: Corpus,
  { embedding, neighbours: k, search }: { embedding: EmbeddingConfig; neighbours: number; search: Search },
  options: Pick<OrderOptions, "cacheFolder" | "onProgress" | "signal">,
): Promise<Neighbours> {
  const { cacheFolder, onProgress, signal } = options;
  const isExact = search === "exact" || (search === "auto" && corpus.train.documents <= (await largestExact()));
  const detail = isExact ? "exact" : "approximate";
  const encoder = encoderIdentity(embedding);
  const madeFrom = { version: NEIGHBOURS_VERSION[detail], corpus: corpus.hash, embedding, encoder, k, search: detail };
  const folder = cacheFolder && path.join(cacheFolder, "neighbours", sha256(JSON.stringify(madeFrom)).slice(0, 24));
  const kept = folder ? keptNeighbours(folder) : undefined;
  if (kept) return kept;
  const embeddings = await corpusEmbeddings(corpus, embedding, options);
  const neighbours = await (isExact ? exactNeighbours : approximateNeighbours)(embeddings, {
    k,
    signal,
    onProgress: (done, total) => onProgress?.({ stage: "neighbours", done, total, detail }),
  });
  if (folder) keepNeighbours(folder, neighbours, madeFrom);
  return neighbours;
}
