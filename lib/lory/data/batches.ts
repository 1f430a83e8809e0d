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
  /** How often the corpus had been seen to its end before the batch's last token: 0 while nothing is seen twice. */
  epoch: number;
}

/**
 * Endless training batches. All training documents are shuffled by the seed (anew in each epoch), each is followed by
 * the end-of-document token, and the concatenation is cut into instances: instance i holds the tokens i L to i L + L,
 * so that neighbours share one token, the last target of one being the first input of the next. Every token but the
 * very first is predicted exactly once an epoch; none is dropped, an instance at the end of an epoch goes on into the
 * next. Step s holds the instances s B to s B + B - 1. Any step is reached directly, without reading those before.
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
  return generateBatches(
    (epoch) => packDocuments(train, permutation(train.documents, seed, epoch), endOfDocument),
    epochLength,
    { batchSize, contextLength, startStep },
  );
}

function* generateBatches(
  streamOf: (epoch: number) => PackedStream,
  epochLength: number,
  { batchSize, contextLength, startStep }: Required<Omit<TrainBatchOptions, "seed">>,
): Generator<TrainBatch, never, undefined> {
  let epoch = -1;
  let stream: PackedStream | undefined;
  const copyAt = (position: number, count: number, out: Int32Array, at: number) => {
    for (let done = 0; done < count;) {
      const wanted = Math.floor((position + done) / epochLength);
      if (stream === undefined || wanted !== epoch) [epoch, stream] = [wanted, streamOf(wanted)];
      done += stream.copy(position + done - wanted * epochLength, count - done, out, at + done);
    }
  };

  const rowLength = contextLength + 1;
  const stepTokens = batchSize * contextLength;
  const window = new Int32Array(stepTokens + 1);
  for (let step = startStep; ; step++) {
    const first = step * stepTokens;
    copyAt(first, window.length, window, 0);
    const tokens_BM = new Int32Array(batchSize * rowLength);
    for (let row = 0; row < batchSize; row++) {
      tokens_BM.set(window.subarray(row * contextLength, row * contextLength + rowLength), row * rowLength);
    }
    yield { step, tokens_BM, epoch: Math.floor((first + stepTokens) / epochLength) };
  }
}

/** Refuses an option that is not an integer of at least `least`. */
export function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} is ${String(value)}, expected an integer of at least ${least}`);
  }
}
