import type { Corpus } from "./corpus";
import type { DocumentStore } from "./documents";
import { loadTokenizer } from "./tokenizer";

/** The text of a document of a split of the corpus, by its number there. */
export type DocumentText = (store: DocumentStore, document: number) => string;

/**
 * Gives the texts of a corpus's documents back, from their tokens: a corpus keeps no second copy of them. About 1.5
 * million tokens a second. LLaMA's vocabulary writes a space as U+2581, so that this sign itself comes back as a space;
 * everything else is what was tokenized.
 *
 * @throws CorpusError when the corpus's tokenizer is not there
 */
export async function documentTexts(corpus: Pick<Corpus, "tokenizer">): Promise<DocumentText> {
  const tokenizer = await loadTokenizer(corpus.tokenizer);
  return (store, document) => tokenizer.decode(store.tokensOf(document));
}
