/** N documents, D numbers of an embedding. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { Corpus } from "../corpus";
import { encodeMatrix, readMatrix } from "../matrix-npy";
import { sha256 } from "../manifest";
import { writeWholeFolder } from "../whole-folder";
import type { Embedder } from "./embedder";
import type { Embeddings } from "./neighbours";

export interface EmbedOptions {
  /** Where vectors are kept: a folder for each embedder in it. Without it nothing is kept. */
  cacheFolder?: string;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** Of the 32 bytes of a document's hash, kept: two documents of a corpus do not share so many by chance. */
const KEY_BYTES = 16;
const VECTORS = "vectors.npy";
const KEYS = "keys.npy";
const RECORD = "part.json";

/**
 * The vectors of all training documents. Each is computed once for its tokens, tokenizer and embedder, whatever corpus the document stands in: new
 * ones are written to the cache after each batch, so that an interruption loses one batch. A part of the cache that is damaged is removed
 * and computed again.
 *
 * @throws CorpusError when the cache cannot be written; the signal's reason when aborted
 */
export async function embedDocuments(
  { train, manifest }: Pick<Corpus, "train" | "manifest">,
  embedder: Embedder,
  { cacheFolder, onProgress, signal }: EmbedOptions = {},
): Promise<Embeddings> {
  const { dimension } = embedder;
  const vectors_ND = new Float32Array(train.documents * dimension);
  const folder = cacheFolder && path.join(cacheFolder, sha256(embedder.id).slice(0, 16));
  const keys = Array.from({ length: train.documents }, (_, i) => keyOf(train.tokensOf(i), manifest.tokenizer.sha256));
  const wanted = new Map<string, number[]>();
  keys.forEach((key, document) => {
    const same = wanted.get(key);
    if (same) same.push(document);
    else wanted.set(key, [document]);
  });
  let done = 0;
  const take = (key: string, vector: Float32Array): void => {
    for (const document of wanted.get(key) ?? []) {
      vectors_ND.set(vector, document * dimension);
      done++;
    }
    wanted.delete(key);
  };
  for (const part of folder ? partsOf(folder, dimension) : []) {
    part.keys.forEach((key, row) => take(key, part.values.subarray(row * dimension, (row + 1) * dimension)));
  }
  const missing = [...wanted].map(([key, [document]]) => ({ key, document }));
  for (let first = 0; first < missing.length; first += embedder.batchDocuments) {
    onProgress?.(done, train.documents);
    await new Promise(setImmediate);
    signal?.throwIfAborted();
    const batch = missing.slice(first, first + embedder.batchDocuments);
    const values = await embedder.embed(batch.map(({ document }) => train.tokensOf(document)));
    if (folder)
      writePart(
        folder,
        embedder.id,
        batch.map(({ key }) => key),
        values,
        dimension,
      );
    batch.forEach(({ key }, row) => take(key, values.subarray(row * dimension, (row + 1) * dimension)));
  }
  onProgress?.(done, train.documents);
  return { vectors_ND, dimension };
}

/** Names a document by what it says. */
function keyOf(tokens: Int32Array, tokenizer: string): string {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return createHash("sha256")
    .update(tokenizer)
    .update(bytes)
    .digest("hex")
    .slice(0, 2 * KEY_BYTES);
}

interface Part {
  readonly keys: readonly string[];
  readonly values: Float32Array;
}

function writePart(folder: string, id: string, keys: readonly string[], values: Float32Array, dimension: number): void {
  const bytes = Buffer.from(keys.join(""), "hex");
  const words = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const files = { [KEYS]: encodeMatrix(words, KEY_BYTES / 4), [VECTORS]: encodeMatrix(values, dimension) };
  const hashes = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)]));
  const record = `${JSON.stringify({ embedder: id, documents: keys.length, sha256: hashes }, null, 2)}\n`;
  const place = path.join(folder, sha256(bytes).slice(0, 16));
  rmSync(place, { recursive: true, force: true });
  writeWholeFolder(place, { ...files, [RECORD]: record }, "a part of the embeddings");
}

/** The parts that are whole; the others are removed. */
function* partsOf(folder: string, dimension: number): Generator<Part> {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)
    .filter((each) => !each.startsWith("."))
    .sort()) {
    const part = readPart(path.join(folder, name), dimension);
    if (part) yield part;
    else rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}

function readPart(place: string, dimension: number): Part | undefined {
  try {
    const record = JSON.parse(readFileSync(path.join(place, RECORD), "utf8")) as { sha256: Record<string, string> };
    for (const name of [KEYS, VECTORS]) {
      if (sha256(readFileSync(path.join(place, name))) !== record.sha256[name]) return undefined;
    }
    const { values: words } = readMatrix(path.join(place, KEYS), "<i4");
    const { values, columns } = readMatrix(path.join(place, VECTORS), "<f4");
    if (columns !== dimension) return undefined;
    const hex = Buffer.from(words.buffer).toString("hex");
    const keys = Array.from({ length: (4 * words.length) / KEY_BYTES }, (_, i) =>
      hex.slice(2 * KEY_BYTES * i, 2 * KEY_BYTES * (i + 1)),
    );
    return { keys, values };
  } catch {
    return undefined;
  }
}
