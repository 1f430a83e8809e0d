/** N documents, D numbers of an embedding. */
import { requireInteger } from "../batches";
import type { DocumentStore } from "../documents";
import { sha256 } from "../manifest";
import type { Embedder } from "./embedder";
import { mix32, TERM_BUCKETS, TermCounter } from "./hashed-terms";
import { normalizeRows } from "./neighbours";

export const TF_IDF_DIMENSION = 256;

/** Numbers of an embedding that one term touches. */
const SPREAD = 4;

/**
 * Hashed TF-IDF of token ids, projected to D numbers: what two cores can do for any corpus, without a model.
 *
 * A document's terms are its tokens and its pairs of neighbouring tokens, hashed into 2^20 buckets. Term t, c times in the document and in n_t of
 * the corpus's N documents, weighs `(1 + ln c) ln((1 + N) / (1 + n_t))`. The vector of weights is projected by a sparse random matrix that hashing
 * stands for: each term adds its weight to 4 of the D numbers, with signs (Weinberger et al. 2009, arXiv 0902.2206; Kane and Nelson 2014), so that
 * cosines are kept in the mean, with an error of about 1 / sqrt(D). The result has length 1.
 *
 * @param store the corpus whose document frequencies count
 */
export function tfIdfEmbedder(store: DocumentStore, dimension: number = TF_IDF_DIMENSION): Embedder {
  requireInteger("dimension", dimension, SPREAD);
  const counter = new TermCounter();
  const frequency = new Uint32Array(TERM_BUCKETS);
  for (let document = 0; document < store.documents; document++) {
    for (const term of counter.termsOf(store.tokensOf(document))) frequency[term]++;
  }
  const corpus = sha256(new Uint8Array(frequency.buffer));
  const embed = (tokens: Int32Array, out: Float32Array): void => {
    for (const term of counter.termsOf(tokens)) {
      const rarity = Math.log((1 + store.documents) / (1 + frequency[term]));
      const weight = (1 + Math.log(counter.count(term))) * rarity;
      for (let i = 0; i < SPREAD; i++) {
        const hash = mix32(Math.imul(term + 1, SPREAD) + i);
        out[(hash >>> 1) % dimension] += hash & 1 ? weight : -weight;
      }
    }
  };
  return {
    id: `tf-idf 1, ${dimension} numbers, frequencies ${corpus}`,
    dimension,
    batchDocuments: 4096,
    embed: (documents) => {
      const vectors_ND = new Float32Array(documents.length * dimension);
      documents.forEach((tokens, i) => embed(tokens, vectors_ND.subarray(i * dimension, (i + 1) * dimension)));
      normalizeRows({ vectors_ND, dimension });
      return Promise.resolve(vectors_ND);
    },
    close: () => Promise.resolve(),
  };
}
