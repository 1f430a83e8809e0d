import path from "node:path";
import type { Corpus } from "../corpus";
import { approximateNeighbours } from "../similarity/approximate-neighbours";
import type { Embedder } from "../similarity/embedder";
import { embedDocuments } from "../similarity/embedding-cache";
import { energeticEncoder } from "../similarity/energetic";
import { exactNeighbours } from "../similarity/exact-neighbours";
import type { Embeddings, Neighbours } from "../similarity/neighbours";
import { onnxEncoder } from "../similarity/onnx";
import { textEmbedder } from "../similarity/text-embedder";
import { tfIdfEmbedder } from "../similarity/tf-idf";
import { loadTokenizer } from "../tokenizer";
import type { EmbeddingConfig, Search } from "./batching-config";
import type { OrderOptions } from "./document-order";

/** `search: "auto"` compares all pairs of so many documents: half a minute on two cores. */
export const LARGEST_EXACT = 50_000;

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

/** The embeddings of a corpus's training documents, and the nearest of each. */
export async function nearestDocuments(
  corpus: Corpus,
  { embedding, neighbours: k, search }: { embedding: EmbeddingConfig; neighbours: number; search: Search },
  options: Pick<OrderOptions, "cacheFolder" | "onProgress" | "signal">,
): Promise<{ embeddings: Embeddings; neighbours: Neighbours }> {
  const embeddings = await corpusEmbeddings(corpus, embedding, options);
  const isExact = search === "exact" || (search === "auto" && corpus.train.documents <= LARGEST_EXACT);
  const find = isExact ? exactNeighbours : approximateNeighbours;
  const neighbours = await find(embeddings, {
    k,
    signal: options.signal,
    onProgress: (done, total) =>
      options.onProgress?.({ stage: "neighbours", done, total, detail: isExact ? "exact" : "approximate" }),
  });
  return { embeddings, neighbours };
}
