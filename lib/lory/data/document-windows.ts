/** S samples, L tokens, M = L + 1. */
import { requireInteger } from "./batches";
import type { Corpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import { below, permutation, randomBits } from "./permutation";
import { domainIndex, HELD_OUT_ORDER, type HeldOutWindows } from "./held-out";

export interface DocumentWindowOptions {
  /** L: a window is as many tokens and the one after them. */
  length: number;
  /** At most as many; fewer when the domain has fewer held-out documents that are long enough. */
  maxDocuments: number;
}

/**
 * A window from each of a domain's held-out documents that are long enough, within the document: windows of different rows share
 * nothing, so that they are independent samples of the domain. Which documents, and where in them, is fixed: every model is judged
 * on the same windows, and more documents extend fewer.
 *
 * @throws CorpusError for an unknown domain and one without such a document; RangeError for a bad option
 */
export function documentWindows(corpus: Corpus, domain: string, options: DocumentWindowOptions): HeldOutWindows {
  const { length, maxDocuments } = options;
  requireInteger("length", length, 1);
  requireInteger("maxDocuments", maxDocuments, 1);
  const index = domainIndex(corpus, domain);
  const { heldOut } = corpus;
  const rowLength = length + 1;
  const documents = permutation(heldOut.documents, HELD_OUT_ORDER)
    .filter((document) => heldOut.domains[document] === index && heldOut.lengths[document] >= rowLength)
    .slice(0, maxDocuments);
  if (documents.length === 0) {
    throw new CorpusError(
      `domain ${domain} of corpus ${corpus.name} has no held-out document of ${rowLength} tokens: take shorter windows`,
    );
  }
  const tokens_SM = new Int32Array(documents.length * rowLength);
  documents.forEach((document, row) => {
    const places = heldOut.lengths[document] - rowLength + 1;
    const start = below(places, randomBits(HELD_OUT_ORDER, 1 + document));
    heldOut.copyTokens(document, start, rowLength, tokens_SM, row * rowLength);
  });
  return { tokens_SM, windows: documents.length };
}
