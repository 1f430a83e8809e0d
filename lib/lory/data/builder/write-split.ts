/** The shards and the index of one split, written while its documents come. */
import { gzipSync } from "node:zlib";
import type { Counts, Shard, SplitFiles, SplitName, StoredFile } from "../manifest";
import { encodeNpy, type NpyDtype } from "../npy";
import type { TokenDocument } from "./write";

/** Numbers of the files that documents were cut from, in the order in which they came. */
export type FileNames = Map<string, number>;

type Store = (file: string, bytes: Uint8Array) => StoredFile;

export interface SplitOptions {
  dtype: NpyDtype;
  /** A shard is closed when it holds as many tokens. */
  shardTokens: number;
  /** Grows by the names of this split. */
  fileNames: FileNames;
  store: Store;
}

export interface WrittenSplit {
  files: SplitFiles;
  documents: number;
  /** By index in the corpus's domains; those without a document are missing. */
  byDomain: Counts[];
  bySource: Counts[];
}

/** Writes a split through `store`, an empty one too; of the tokens only those of the shard in work are held. */
export function writeSplit(
  split: SplitName,
  documents: Iterable<TokenDocument>,
  { dtype, shardTokens, fileNames, store }: SplitOptions,
): WrittenSplit {
  const shards: Shard[] = [];
  const lengths: number[] = [];
  const domains: number[] = [];
  const sources: number[] = [];
  const files: number[] = [];
  const byDomain: Counts[] = [];
  const bySource: Counts[] = [];
  let open: TokenDocument[] = [];
  let openTokens = 0;
  const closeShard = () => {
    const ids = dtype === "uint16" ? new Uint16Array(openTokens) : new Uint32Array(openTokens);
    let at = 0;
    for (const { tokens } of open) {
      ids.set(tokens, at);
      at += tokens.length;
    }
    const file = `${split}-${String(shards.length).padStart(5, "0")}.npy`;
    shards.push({ ...store(file, encodeNpy(ids)), documents: open.length, tokens: openTokens });
    open = [];
    openTokens = 0;
  };
  for (const document of documents) {
    const { domain, source, file, bytes, tokens } = document;
    open.push(document);
    openTokens += tokens.length;
    lengths.push(tokens.length);
    domains.push(domain);
    sources.push(source);
    if (file !== undefined) files.push(numberOf(file, fileNames));
    count((byDomain[domain] ??= { documents: 0, bytes: 0, tokens: 0 }), bytes, tokens.length);
    count((bySource[source] ??= { documents: 0, bytes: 0, tokens: 0 }), bytes, tokens.length);
    if (openTokens >= shardTokens) closeShard();
  }
  if (open.length > 0) closeShard();
  const index = (name: string, values: Uint16Array | Uint32Array) => store(`${split}-${name}.npy`, encodeNpy(values));
  return {
    files: {
      shards,
      lengths: index("lengths", Uint32Array.from(lengths)),
      domains: index("domains", Uint16Array.from(domains)),
      sources: index("sources", Uint16Array.from(sources)),
      ...(files.length > 0 && files.length === lengths.length
        ? { files: index("files", Uint32Array.from(files)) }
        : {}),
    },
    documents: lengths.length,
    byDomain,
    bySource,
  };
}

/** Stores the names, one a line, in the order of their numbers. */
export function writeFileNames(fileNames: FileNames, store: Store): StoredFile {
  return store("files.txt.gz", gzipSync([...fileNames.keys()].map((name) => name.replaceAll("\n", " ")).join("\n")));
}

function numberOf(file: string, fileNames: FileNames): number {
  const known = fileNames.get(file);
  if (known !== undefined) return known;
  fileNames.set(file, fileNames.size);
  return fileNames.size - 1;
}

function count(counts: Counts, bytes: number, tokens: number): void {
  counts.documents++;
  counts.bytes += bytes;
  counts.tokens += tokens;
}
