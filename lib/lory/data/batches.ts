/** B batch, L context, M = L + 1. */
import type { Corpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import { type PackedStream, packDocuments } from "./packing";
import { permutation } from "./permutation";

export interface TrainBatchOptions {
  batchSize: number;
  contextLength: number;
  /** Determines the order of the documents. */
  seed: number;
  /** The first step to yield, 0 by default: a run that goes on names the step it had come to. */
  startStep?: number;
}

export interface TrainBatch {
  step: number;
  /** B rows of L + 1 token ids: the first L are inputs, the last L their targets. */
  tokens_BM: Int32Array;
  /** Passes over the corpus that were complete before the batch's last instance: 0 while nothing is seen twice. */
  epoch: number;
}

/**
 * Endless training batches. All training documents are shuffled by the seed (anew in each epoch), each is followed by
 * the end-of-document token, and the concatenation is cut into instances that are shuffled in turn: instance i holds the
 * tokens i L to i L + L, so that neighbours in the text share one token, the last target of one being the first input of
 * the next. Without the second shuffle a batch would be a piece of one or two documents. An epoch is all whole instances;
 * no token is predicted twice in it, and at most the last L are not predicted. Step s holds the instances s B to
 * s B + B - 1 of the shuffled order. Any step is reached directly, without reading those before.
 *
 * @throws CorpusError when the corpus has fewer training tokens than one batch; RangeError for a bad option
 */
export function trainBatches(corpus: Corpus, options: TrainBatchOptions): Generator<TrainBatch, never, undefined> {
  const { batchSize, contextLength, seed, startStep = 0 } = options;
  requireInteger("batchSize", batchSize, 1);
  requireInteger("contextLength", contextLength, 1);
  requireInteger("seed", seed, 0);
  requireInteger("startStep", startStep, 0);
  const { train, endOfDocument } = corpus;
  const epochLength = train.tokens + train.documents;
  const needed = batchSize * contextLength + 1;
  if (epochLength < needed) {
    throw new CorpusError(
      `corpus ${corpus.name} has ${epochLength} training tokens, one batch of ${batchSize} x ${contextLength} needs ` +
        `${needed}: take a smaller batch or context, or a larger corpus`,
    );
  }
  const instances = Math.floor((epochLength - 1) / contextLength);
  return generateBatches(
    (epoch) => ({
      stream: packDocuments(train, permutation(train.documents, seed, epoch), endOfDocument),
      // Streams of random numbers from 0 on order documents, those below order instances.
      order: permutation(instances, seed, -1 - epoch),
    }),
    instances,
    { batchSize, contextLength, startStep },
  );
}

/** One pass over the corpus: its text, and the order in which its instances are taken. */
interface Epoch {
  readonly stream: PackedStream;
  readonly order: Uint32Array;
}

function* generateBatches(
  epochOf: (epoch: number) => Epoch,
  instances: number,
  { batchSize, contextLength, startStep }: Required<Omit<TrainBatchOptions, "seed">>,
): Generator<TrainBatch, never, undefined> {
  let number = -1;
  let current: Epoch | undefined;
  const rowLength = contextLength + 1;
  for (let step = startStep; ; step++) {
    const tokens_BM = new Int32Array(batchSize * rowLength);
    for (let row = 0; row < batchSize; row++) {
      const instance = step * batchSize + row;
      const wanted = Math.floor(instance / instances);
      if (current === undefined || wanted !== number) [number, current] = [wanted, epochOf(wanted)];
      const position = current.order[instance % instances] * contextLength;
      current.stream.copy(position, rowLength, tokens_BM, row * rowLength);
    }
    yield { step, tokens_BM, epoch: number };
  }
}

/** Refuses an option that is not an integer of at least `least`. */
export function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} is ${String(value)}, expected an integer of at least ${least}`);
  }
}
