/** B batch, L context, M = L + 1. */
import type { Corpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import { type DocumentOrder, orderOfEpoch, RANDOM_ORDER } from "./orders/epoch-order";
import { type PackedStream, packDocuments } from "./packing";
import { permutation } from "./permutation";

export interface TrainBatchOptions {
  batchSize: number;
  contextLength: number;
  /** Determines the order of the documents, where that is drawn, and of the instances. */
  seed: number;
  /** Of the documents; drawn at random without it. */
  order?: DocumentOrder;
  /** Of `worldSize` devices, which share a batch's rows, in order; device 0 of 1 without them. */
  rank?: number;
  worldSize?: number;
  /** The first step to yield, 0 by default: a run that goes on names the step it had come to. */
  startStep?: number;
}

export interface TrainBatch {
  step: number;
  /** B rows of L + 1 token ids: the first L are inputs, the last L their targets. With several devices, the rows of this one. */
  tokens_BM: Int32Array<ArrayBuffer>;
  /** How many of the inputs are of each domain of the corpus, end-of-document tokens included. */
  domainTokens: Uint32Array;
  /** Passes over the corpus that were complete before the batch's last instance: 0 while nothing is seen twice. */
  epoch: number;
}

/** What of a corpus batches are made of. */
export type TrainText = Pick<Corpus, "name" | "train" | "endOfDocument">;

/**
 * Endless training batches. All training documents are shuffled by the seed (anew in each epoch) or taken in the order given, each is followed by
 * the end-of-document token, and the concatenation is cut into instances that are shuffled in turn: instance i holds the
 * tokens i L to i L + L, so that neighbours in the text share one token, the last target of one being the first input of
 * the next. Without the second shuffle a batch would be a piece of one or two documents. An epoch is all whole instances;
 * no token is predicted twice in it, and at most the last L are not predicted. Step s holds the instances s B to
 * s B + B - 1 of the shuffled order. Any step is reached directly, without reading those before.
 *
 * @throws CorpusError when the corpus has fewer training tokens than one batch; RangeError for a bad option
 */
export function trainBatches(corpus: TrainText, options: TrainBatchOptions): Generator<TrainBatch, never, undefined> {
  const { batchSize, contextLength, seed, startStep = 0, order = RANDOM_ORDER, rank = 0, worldSize = 1 } = options;
  requireInteger("batchSize", batchSize, 1);
  requireInteger("contextLength", contextLength, 1);
  requireInteger("seed", seed, 0);
  requireInteger("startStep", startStep, 0);
  requireInteger("rank", rank, 0);
  requireInteger("worldSize", worldSize, 1);
  if (rank >= worldSize) throw new RangeError(`rank is ${rank}, expected a device from 0 to ${worldSize - 1}`);
  if (batchSize % worldSize !== 0) {
    throw new RangeError(
      `batchSize is ${batchSize}, expected a multiple of worldSize ${worldSize}: devices share a batch evenly`,
    );
  }
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
      stream: packDocuments(train, orderOfEpoch(order, train, seed, epoch), endOfDocument),
      // Streams of random numbers from 0 on order documents, those below order instances.
      order: permutation(instances, seed, -1 - epoch),
    }),
    instances,
    train.domains,
    { batchSize, contextLength, startStep, rank, worldSize },
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
  domainOf: Uint16Array,
  options: Required<Omit<TrainBatchOptions, "seed" | "order">>,
): Generator<TrainBatch, never, undefined> {
  const { batchSize, contextLength, startStep, rank, worldSize } = options;
  let number = -1;
  let current: Epoch | undefined;
  const rowLength = contextLength + 1;
  const rows = batchSize / worldSize;
  const domains = domainOf.reduce((largest, domain) => Math.max(largest, domain), 0) + 1;
  for (let step = startStep; ; step++) {
    const tokens_BM = new Int32Array(rows * rowLength);
    const domainTokens = new Uint32Array(domains);
    for (let row = 0; row < rows; row++) {
      const instance = step * batchSize + rank * rows + row;
      const wanted = Math.floor(instance / instances);
      if (current === undefined || wanted !== number) [number, current] = [wanted, epochOf(wanted)];
      const position = current.order[instance % instances] * contextLength;
      current.stream.copy(position, rowLength, tokens_BM, row * rowLength);
      for (const { document, tokens } of current.stream.documentsIn(position, contextLength)) {
        domainTokens[domainOf[document]] += tokens;
      }
    }
    yield { step, tokens_BM, domainTokens, epoch: number };
  }
}

/** Refuses an option that is not an integer of at least `least`. */
export function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} is ${String(value)}, expected an integer of at least ${least}`);
  }
}
