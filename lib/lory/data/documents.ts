import path from "node:path";
import { CorpusError } from "./corpus-error";
import type { SplitFiles } from "./manifest";
import { type NpyFile, openNpy, readNpy } from "./npy";

/** The documents of one split. Token ids are read from the shards by position; only the index is in memory. */
export interface DocumentStore {
  readonly documents: number;
  /** Without the tokens that a stream puts between documents. */
  readonly tokens: number;
  /** Tokens of each document. */
  readonly lengths: Uint32Array;
  /** Index of each document's domain. */
  readonly domains: Uint16Array;
  /** Index of each document's source. */
  readonly sources: Uint16Array;
  /** A number for the file that each document was cut from, unique in the corpus; see `Corpus.fileNames`. */
  readonly files: Uint32Array;
  /** Copies `count` tokens of a document, from its token `start` on, to `out` at `at`. */
  copyTokens(document: number, start: number, count: number, out: Int32Array, at: number): void;
  /** All token ids of a document. */
  tokensOf(document: number): Int32Array;
  close(): void;
}

/**
 * Opens the shards and the index of a split.
 *
 * @param firstFile numbers the documents' files from here where the corpus does not say which they are: each has its own
 * @throws CorpusError for a missing or malformed file and for an index that does not fit the shards
 */
export function openDocuments(folder: string, files: SplitFiles, firstFile = 0): DocumentStore {
  const lengths = Uint32Array.from(readNpy(path.join(folder, files.lengths.file)));
  const domains = Uint16Array.from(readNpy(path.join(folder, files.domains.file)));
  const sources = Uint16Array.from(readNpy(path.join(folder, files.sources.file)));
  const documents = lengths.length;
  const fileNumbers =
    files.files === undefined
      ? Uint32Array.from({ length: documents }, (_, document) => firstFile + document)
      : Uint32Array.from(readNpy(path.join(folder, files.files.file)));
  const shardOf = new Uint32Array(documents);
  const startInShard = new Float64Array(documents);
  let document = 0;
  let tokens = 0;
  files.shards.forEach((shard, index) => {
    let start = 0;
    for (const end = document + shard.documents; document < end && document < documents; document++) {
      shardOf[document] = index;
      startInShard[document] = start;
      start += lengths[document];
    }
    if (start !== shard.tokens)
      throw new CorpusError(`${folder}: the index does not fit ${shard.file}: build it again`);
    tokens += start;
  });
  if (document !== documents || [domains, sources, fileNumbers].some(({ length }) => length !== documents)) {
    throw new CorpusError(`${folder}: the index lists other documents than the shards: build it again`);
  }

  const open: NpyFile[] = [];
  const shardFile = (index: number) => (open[index] ??= openNpy(path.join(folder, files.shards[index].file)));
  const copyTokens = (which: number, start: number, count: number, out: Int32Array, at: number) => {
    out.set(shardFile(shardOf[which]).read(startInShard[which] + start, count), at);
  };
  return {
    documents,
    tokens,
    lengths,
    domains,
    sources,
    files: fileNumbers,
    copyTokens,
    tokensOf: (which) => {
      const out = new Int32Array(lengths[which]);
      copyTokens(which, 0, out.length, out, 0);
      return out;
    },
    close: () => open.splice(0).forEach((file) => file.close()),
  };
}
