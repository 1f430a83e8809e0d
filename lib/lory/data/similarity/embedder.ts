/** N documents, D numbers of an embedding. */

/** What turns documents into vectors whose cosine says how alike they are. */
export interface Embedder {
  /** Names the method, its version, its weights and its options: equal ids give equal vectors for equal documents. */
  readonly id: string;
  /** D. */
  readonly dimension: number;
  /** Documents to be given at once: work between two looks at a signal, and what an interruption can lose. */
  readonly batchDocuments: number;
  /** One unit vector for each document, given as its token ids: N rows of D numbers. */
  embed(documents: readonly Int32Array[]): Promise<Float32Array>;
  /** Frees what the method holds. */
  close(): Promise<void>;
}
