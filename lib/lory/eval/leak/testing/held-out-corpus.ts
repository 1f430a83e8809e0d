import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { openCorpus, type Corpus } from "../../../data";
import { TINY_END, writeTinyCorpus, type TinyDocument } from "../../../data/tiny-corpus";

/** For tests: a corpus whose held-out documents are given by domain, with the folder that is to be removed. */
export async function heldOutCorpus(
  documents: readonly (readonly number[][])[],
  vocabSize: number,
): Promise<{ corpus: Corpus; readonly remove: () => Promise<void> }> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "leak-"));
  const heldOut = documents.flatMap((rows, domain) => rows.map((tokens): TinyDocument => ({ domain, tokens })));
  const train: TinyDocument[] = [{ domain: 0, tokens: [TINY_END] }];
  writeTinyCorpus(path.join(folder, "corpus"), { train, heldOut }, { vocabSize });
  const corpus = await openCorpus(path.join(folder, "corpus"));
  return {
    corpus,
    remove: () => {
      corpus.close();
      return fs.rm(folder, { recursive: true });
    },
  };
}
