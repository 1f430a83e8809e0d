/** N documents, D numbers of an embedding. */
import type { Embedder } from "./embedder";
import { normalizeRows } from "./neighbours";

/** A model that gives pieces of text vectors. */
export interface PieceEncoder<Piece> {
  readonly id: string;
  readonly dimension: number;
  /** A document's text cut into pieces that the model takes, in order; `size` says how much of the text each is. */
  pieces(text: string): Promise<readonly { readonly piece: Piece; readonly size: number }[]>;
  /** One vector for each piece: rows of D numbers. */
  encode(pieces: readonly Piece[]): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface TextEmbedderOptions {
  /** The text of token ids. */
  decode: (tokens: Int32Array) => string;
  /** Pieces of a document that are looked at, from its beginning on. */
  maxChunks: number;
  /** Pieces that the model is given at once. */
  batchPieces?: number;
  batchDocuments?: number;
}

/**
 * An embedder of documents from a model of short texts. A document is cut into pieces as long as the model takes, as In-Context
 * Pretraining does with the 510 tokens that Contriever takes beside its two marks; its vector is the mean of its pieces' vectors, each
 * weighted by its size, scaled to length 1: what mean pooling would give for a document of any length, if the pieces did not see each other.
 */
export function textEmbedder<Piece>(encoder: PieceEncoder<Piece>, options: TextEmbedderOptions): Embedder {
  const { decode, maxChunks, batchPieces = 16, batchDocuments = 64 } = options;
  const { dimension } = encoder;
  return {
    id: `${encoder.id}, at most ${maxChunks} pieces of a document`,
    dimension,
    batchDocuments,
    async embed(documents) {
      const vectors_ND = new Float32Array(documents.length * dimension);
      const work = (
        await Promise.all(
          documents.map(async (tokens, row) =>
            (await encoder.pieces(decode(tokens))).slice(0, maxChunks).map((each) => ({ ...each, row })),
          ),
        )
      ).flat();
      for (let first = 0; first < work.length; first += batchPieces) {
        const batch = work.slice(first, first + batchPieces);
        const encoded = await encoder.encode(batch.map(({ piece }) => piece));
        batch.forEach(({ row, size }, i) => {
          for (let d = 0; d < dimension; d++) vectors_ND[row * dimension + d] += size * encoded[i * dimension + d];
        });
      }
      normalizeRows({ vectors_ND, dimension });
      return vectors_ND;
    },
    close: () => encoder.close(),
  };
}
