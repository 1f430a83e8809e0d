/**
 * An order on the disk, as NumPy reads it: `order.npy`, uint32 [N], document indices; `paths.npy`, uint32, where paths begin in it;
 * `neighbours.npy`, int32 [N, K], and `similarities.npy`, float32 [N, K], if it was made of neighbours; `order.json`, what it was made from and the
 * hashes of the files.
 */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { encodeMatrix, readMatrix } from "../matrix-npy";
import { sha256 } from "../manifest";
import { encodeNpy, readNpy } from "../npy";
import type { Neighbours } from "../similarity/neighbours";
import type { DocumentPaths } from "../similarity/similarity-walk";
import { type WriteFile, writeWholeFolder } from "../whole-folder";

const RECORD = "order.json";

export interface StoredOrder {
  readonly hash: string;
  readonly paths: DocumentPaths;
}

/** Names an order: equal hashes, equal orders. */
export function orderHash(order: Uint32Array): string {
  return sha256(new Uint8Array(order.buffer, order.byteOffset, order.byteLength));
}

/**
 * Writes an order into a folder of its own, all or nothing.
 *
 * @param key what it was made from, as JSON
 * @throws CorpusError when it cannot be written
 */
export function writeOrder(
  folder: string,
  paths: DocumentPaths,
  neighbours: Neighbours | undefined,
  key: string,
  writeFile?: WriteFile,
): StoredOrder {
  const hash = orderHash(paths.order);
  const files: Record<string, Uint8Array> = {
    "order.npy": encodeNpy(paths.order),
    "paths.npy": encodeNpy(paths.pathStarts),
    ...(neighbours && {
      "neighbours.npy": encodeMatrix(neighbours.ids_NK, neighbours.k),
      "similarities.npy": encodeMatrix(neighbours.similarities_NK, neighbours.k),
    }),
  };
  const hashes = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)]));
  const record = { hash, madeFrom: JSON.parse(key) as unknown, sha256: hashes };
  writeWholeFolder(folder, { ...files, [RECORD]: `${JSON.stringify(record, null, 2)}\n` }, "the order", writeFile);
  return { hash, paths };
}

/** The order in a folder; undefined if there is none. One that is damaged or of other documents is removed. */
export function readOrder(folder: string, documents: number): StoredOrder | undefined {
  try {
    const record = JSON.parse(readFileSync(path.join(folder, RECORD), "utf8")) as {
      hash: string;
      sha256: Record<string, string>;
    };
    const array = (name: string): Uint32Array => {
      if (sha256(readFileSync(path.join(folder, name))) !== record.sha256[name]) throw new Error(`${name} is damaged`);
      return Uint32Array.from(readNpy(path.join(folder, name)));
    };
    const paths = { order: array("order.npy"), pathStarts: array("paths.npy") };
    if (paths.order.length === documents && record.hash === orderHash(paths.order)) return { hash: record.hash, paths };
  } catch {
    // Whatever is wrong with it, it is made anew.
  }
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

/** Neighbours from two files of any origin, such as FAISS's: `<i4` document indices, -1 for none, and `<f4` similarities, [N, K] each. */
export function readNeighbours(idsFile: string, similaritiesFile: string): Neighbours {
  const ids = readMatrix(idsFile, "<i4");
  const similarities = readMatrix(similaritiesFile, "<f4");
  if (ids.rows !== similarities.rows || ids.columns !== similarities.columns) {
    throw new RangeError(
      `${idsFile} holds ${ids.rows} x ${ids.columns} neighbours, ${similaritiesFile} ${similarities.rows} x ` +
        `${similarities.columns} similarities: expected as many`,
    );
  }
  return { documents: ids.rows, k: ids.columns, ids_NK: ids.values, similarities_NK: similarities.values };
}
