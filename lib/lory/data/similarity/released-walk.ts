import { permutation } from "../permutation";
import { NO_NEIGHBOUR, type Neighbours } from "./neighbours";
import type { DocumentPaths } from "./similarity-walk";

export interface ReleasedWalkOptions {
  /** Determines at which documents paths begin. */
  seed: number;
  /** A path is cut when it has as many documents. */
  pathLength?: number;
  /** So many of a document's nearest are looked at. */
  neighbours?: number;
}

/** What the script takes: `cluster_size`, and `knn[1:10]`. */
export const RELEASED_PATH_LENGTH = 21;
export const RELEASED_NEIGHBOURS = 9;

/**
 * The order that the script released with In-Context Pretraining makes, which is not the paper's: a document's own nearest count alone
 * (9 of them, nearest first), a path is cut at 21 documents, and a new one begins at an arbitrary document: here the next one of a seeded permutation,
 * there whichever Python's set gives. Afterwards each path shorter than 21 is dissolved, the shortest-lived ones included: each of its
 * documents goes in front of its nearest neighbour on another path, and stays where it is if it has none (there the script fails).
 *
 * Left out is what the script does to texts: documents whose first 100 characters are like those of the one before are dropped there.
 */
export function releasedWalk(nearest: Neighbours, options: ReleasedWalkOptions): DocumentPaths {
  const { seed, pathLength = RELEASED_PATH_LENGTH, neighbours = RELEASED_NEIGHBOURS } = options;
  const ownNearest = nearestLists(nearest, neighbours);
  const paths = new Paths(nearest.documents);
  const waiting = permutation(nearest.documents, seed);
  let path = -1;
  let current: number | undefined;
  let firstWaiting = 0;
  for (let placed = 0; placed < nearest.documents; placed++) {
    const isOpen = current !== undefined && paths.lengths[path] < pathLength;
    current = isOpen ? ownNearest(current!).find((id) => !paths.has(id)) : undefined;
    if (current === undefined) {
      while (paths.has(waiting[firstWaiting])) firstWaiting++;
      current = waiting[firstWaiting];
      path = paths.begin();
    }
    paths.append(current, path);
  }
  for (let short = 0; short < paths.lengths.length; short++) {
    if (paths.lengths[short] >= pathLength) continue;
    for (const document of [...paths.documentsOf(short)]) {
      const host = ownNearest(document).find((id) => paths.of[id] !== short);
      if (host !== undefined) paths.moveInFrontOf(document, host);
    }
  }
  return paths.concatenated();
}

/** A document's nearest, at most `count`. */
function nearestLists({ k, ids_NK }: Neighbours, count: number): (document: number) => number[] {
  return (document) =>
    [...ids_NK.subarray(document * k, document * k + Math.min(count, k))].filter((id) => id !== NO_NEIGHBOUR);
}

const NONE = -1;

/** Paths as doubly linked lists, so that a document moves between them in constant time. */
class Paths {
  /** The path of each document. */
  readonly of: Int32Array;
  readonly lengths: number[] = [];
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(documents: number) {
    this.of = new Int32Array(documents).fill(NONE);
    this.#next = new Int32Array(documents).fill(NONE);
    this.#previous = new Int32Array(documents).fill(NONE);
  }

  has(document: number): boolean {
    return this.of[document] !== NONE;
  }

  /** A new path, without documents. */
  begin(): number {
    this.#first.push(NONE);
    this.#last.push(NONE);
    return this.lengths.push(0) - 1;
  }

  append(document: number, path: number): void {
    this.#place(document, path, this.#last[path], NONE);
  }

  moveInFrontOf(document: number, host: number): void {
    const path = this.of[document];
    const [previous, next] = [this.#previous[document], this.#next[document]];
    if (previous === NONE) this.#first[path] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last[path] = previous;
    else this.#previous[next] = previous;
    this.lengths[path]--;
    this.#place(document, this.of[host], this.#previous[host], host);
  }

  *documentsOf(path: number): Generator<number> {
    for (let document = this.#first[path]; document !== NONE; document = this.#next[document]) yield document;
  }

  concatenated(): DocumentPaths {
    const order = new Uint32Array(this.of.length);
    const pathStarts: number[] = [];
    let placed = 0;
    this.lengths.forEach((length, path) => {
      if (length > 0) pathStarts.push(placed);
      for (const document of this.documentsOf(path)) order[placed++] = document;
    });
    return { order, pathStarts: Uint32Array.from(pathStarts) };
  }

  #place(document: number, path: number, previous: number, next: number): void {
    this.of[document] = path;
    this.lengths[path]++;
    this.#previous[document] = previous;
    this.#next[document] = next;
    if (previous === NONE) this.#first[path] = document;
    else this.#next[previous] = document;
    if (next === NONE) this.#last[path] = document;
    else this.#previous[next] = document;
  }
}
