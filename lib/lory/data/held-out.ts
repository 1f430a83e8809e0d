/** S samples, L context, M = L + 1. */
import { requireInteger } from "./batches";
import type { Corpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import type { SplitName } from "./manifest";
import { packDocuments } from "./packing";
import { permutation } from "./permutation";

export interface HeldOutOptions {
  contextLength: number;
  /** At most as many windows; fewer when the domain's held-out text ends before. */
  maxWindows: number;
  /** What text: that for testing by default, or that for validation, which a corpus need not have. */
  split?: HeldOutSplit;
}

/** Parts of a corpus that are not trained on. */
export type HeldOutSplit = Exclude<SplitName, "train">;

export interface HeldOutWindows {
  /** S rows of L + 1 token ids: the first L are inputs, the last L their targets. */
  tokens_SM: Int32Array;
  windows: number;
}

/** Seed of the order of held-out documents: fixed, so that every model is judged on the same windows. */
export const HELD_OUT_ORDER = 0;

/**
 * The held-out text of a domain as windows, cut like training instances: documents in a fixed shuffled order, each
 * followed by the end-of-document token, windows of L + 1 tokens that share one token with the next. More windows
 * extend fewer; what is left over at the end and fills no window is not used.
 *
 * @throws CorpusError for an unknown domain and one without a single window; RangeError for a bad option
 */
export function heldOutWindows(corpus: Corpus, domain: string, options: HeldOutOptions): HeldOutWindows {
  const { contextLength, maxWindows, split = "heldOut" } = options;
  requireInteger("contextLength", contextLength, 1);
  requireInteger("maxWindows", maxWindows, 1);
  const index = domainIndex(corpus, domain);
  const { [split]: documents, endOfDocument } = corpus;
  const order = permutation(documents.documents, HELD_OUT_ORDER).filter(
    (document) => documents.domains[document] === index,
  );
  const stream = packDocuments(documents, order, endOfDocument);
  const windows = Math.min(maxWindows, Math.floor((stream.length - 1) / contextLength));
  if (windows < 1) {
    throw new CorpusError(
      `domain ${domain} of corpus ${corpus.name} has ${stream.length} ${split === "heldOut" ? "held-out" : split} tokens, a window needs ` +
        `${contextLength + 1}: take a shorter context`,
    );
  }
  const rowLength = contextLength + 1;
  const tokens_SM = new Int32Array(windows * rowLength);
  for (let window = 0; window < windows; window++) {
    stream.copy(window * contextLength, rowLength, tokens_SM, window * rowLength);
  }
  return { tokens_SM, windows };
}

/**
 * A domain's place in its corpus.
 *
 * @throws CorpusError for an unknown domain
 */
export function domainIndex(corpus: Pick<Corpus, "name" | "domains">, domain: string): number {
  const index = corpus.domains.findIndex(({ name }) => name === domain);
  if (index < 0) {
    const known = corpus.domains.map(({ name }) => name).join(", ");
    throw new CorpusError(`corpus ${corpus.name} has no domain ${JSON.stringify(domain)}; it has ${known}`);
  }
  return index;
}
