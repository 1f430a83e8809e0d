import type { TrainBatch, TrainBatchOptions } from "../batches";
import type { SplitFiles } from "../manifest";

/** What the reading thread is started with. */
export interface ReaderWork {
  readonly name: string;
  readonly folder: string;
  readonly files: SplitFiles;
  readonly endOfDocument: number;
  readonly options: TrainBatchOptions;
}

/** Asks for so many batches more. */
export interface ToReader {
  readonly count: number;
}

export type FromReader =
  { readonly kind: "batch"; readonly batch: TrainBatch } | { readonly kind: "failed"; readonly why: string };
