/**
 * An order on the disk, as NumPy reads it: `order.npy`, uint32 [N], document indices; `paths.npy`, uint32, where paths begin in it;
 * `order.json`, what it was made from and the hashes of the files.
 */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { sha256 } from "../manifest";
import { encodeNpy, readNpy } from "../npy";
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
export function writeOrder(folder: string, paths: DocumentPaths, key: string, writeFile?: WriteFile): StoredOrder {
  const hash = orderHash(paths.order);
  const files = { "order.npy": encodeNpy(paths.order), "paths.npy": encodeNpy(paths.pathStarts) };
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
