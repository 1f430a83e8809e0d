import type { DocumentStore } from "../documents";
import { requireInteger } from "../batches";
import type { Embeddings } from "../similarity/neighbours";
import { similarity } from "../similarity/neighbours";

/** What an order does to training instances of L tokens. */
export interface InstanceStatistics {
  readonly instances: number;
  /** Documents of which an instance holds at least one token. */
  readonly documentsMean: number;
  readonly documentsMedian: number;
  /** Share of an instance's tokens that are of its most frequent domain: the mean over instances. 1 is one domain an instance. */
  readonly purity: number;
  /** The purity that the domains' sizes alone give to an instance of infinitely many documents: the share of the largest domain. */
  readonly largestDomain: number;
  /** Mean cosine of two documents that follow one another inside an instance; NaN without embeddings. */
  readonly similarity: number;
  /** Of those pairs, the share cut from the same file. */
  readonly sameFile: number;
}

/**
 * Statistics of the instances that an order of documents is cut into: instance i holds the positions i L to i L + L - 1 of the documents one
 * after the other, each followed by an end-of-document token.
 *
 * @param order each document once
 * @param embeddings by which similarity is judged, whatever the order was made by
 * @throws RangeError for a bad context length, or if not one instance is full
 */
export function instanceStatistics(
  store: DocumentStore,
  order: Uint32Array,
  contextLength: number,
  embeddings?: Embeddings,
): InstanceStatistics {
  requireInteger("contextLength", contextLength, 1);
  const { lengths, domains, files } = store;
  const domainTokens = new Map<number, number>();
  const allTokens = new Map<number, number>();
  const counts: number[] = [];
  let documents = 0;
  let purities = 0;
  let pairs = 0;
  let similarities = 0;
  let sameFile = 0;
  let filled = 0;
  const close = (): void => {
    purities += Math.max(...domainTokens.values()) / contextLength;
    counts.push(documents);
    domainTokens.clear();
    [documents, filled] = [0, 0];
  };
  order.forEach((document, place) => {
    if (filled > 0) {
      const before = order[place - 1];
      pairs++;
      similarities += embeddings ? similarity(embeddings, before, document) : NaN;
      sameFile += Number(files[before] === files[document]);
    }
    for (let left = lengths[document] + 1; left > 0;) {
      const take = Math.min(left, contextLength - filled);
      const domain = domains[document];
      domainTokens.set(domain, (domainTokens.get(domain) ?? 0) + take);
      allTokens.set(domain, (allTokens.get(domain) ?? 0) + take);
      documents++;
      left -= take;
      filled += take;
      if (filled === contextLength) close();
    }
  });
  if (counts.length === 0) {
    throw new RangeError(
      `contextLength is ${contextLength}: the ${store.tokens} tokens of the documents fill no instance`,
    );
  }
  const total = [...allTokens.values()].reduce((sum, tokens) => sum + tokens, 0);
  return {
    instances: counts.length,
    documentsMean: counts.reduce((sum, count) => sum + count, 0) / counts.length,
    documentsMedian: counts.sort((a, b) => a - b)[counts.length >> 1],
    purity: purities / counts.length,
    largestDomain: Math.max(...allTokens.values()) / total,
    similarity: similarities / pairs,
    sameFile: sameFile / pairs,
  };
}
