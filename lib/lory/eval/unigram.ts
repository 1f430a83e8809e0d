import type { Corpus } from "../data";

/**
 * The entropy of a corpus's training tokens, in nats: the loss of a model that knows how often each token occurs, and
 * nothing else. End-of-document tokens are counted, as a model predicts them too.
 */
export function unigramEntropyNats(corpus: Pick<Corpus, "trainTokenCounts">): number {
  const counts = corpus.trainTokenCounts();
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce(
    (entropy, count) => (count === 0 ? entropy : entropy - (count / total) * Math.log(count / total)),
    0,
  );
}
