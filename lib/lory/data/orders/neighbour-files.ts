/** Neighbours on the disk, as NumPy reads them: `neighbours.npy`, `<i4` [N, K], -1 for none, and `similarities.npy`, `<f4` [N, K]. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { encodeMatrix, readMatrix } from "../matrix-npy";
import { sha256 } from "../manifest";
import type { Neighbours } from "../similarity/neighbours";
import { writeWholeFolder } from "../whole-folder";

const IDS = "neighbours.npy";
const SIMILARITIES = "similarities.npy";
const RECORD = "neighbours.json";

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

/**
 * Writes neighbours into a folder of their own, all or nothing.
 *
 * @param madeFrom what determines them
 * @throws CorpusError when they cannot be written
 */
export function keepNeighbours(folder: string, { k, ids_NK, similarities_NK }: Neighbours, madeFrom: object): void {
  const files = { [IDS]: encodeMatrix(ids_NK, k), [SIMILARITIES]: encodeMatrix(similarities_NK, k) };
  const hashes = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)]));
  const record = `${JSON.stringify({ madeFrom, sha256: hashes }, null, 2)}\n`;
  writeWholeFolder(folder, { ...files, [RECORD]: record }, "the nearest documents");
}

/** The neighbours in a folder; undefined if there are none. Those that are damaged are removed. */
export function keptNeighbours(folder: string): Neighbours | undefined {
  try {
    const record = JSON.parse(readFileSync(path.join(folder, RECORD), "utf8")) as { sha256: Record<string, string> };
    const isWhole = (name: string): boolean => sha256(readFileSync(path.join(folder, name))) === record.sha256[name];
    if (isWhole(IDS) && isWhole(SIMILARITIES)) {
      return readNeighbours(path.join(folder, IDS), path.join(folder, SIMILARITIES));
    }
  } catch {
    // Whatever is wrong with them, they are sought anew.
  }
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}
