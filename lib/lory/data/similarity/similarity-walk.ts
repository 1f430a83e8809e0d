import { byDegree, neighbourGraph } from "./neighbour-graph";
import type { Neighbours } from "./neighbours";

/** All documents in an order made of paths: in each, a document is followed by one like it. */
export interface DocumentPaths {
  /** Each document once. */
  readonly order: Uint32Array;
  /** Where in the order each path begins, ascending from 0: a walk begins anew at all but the first. */
  readonly pathStarts: Uint32Array;
}

/**
 * The greedy walk of In-Context Pretraining (Shi et al. 2024, arXiv 2310.10638, algorithm 1): from a document on to its most similar neighbour that
 * no path has yet; where there is none, a new path begins. The first path and every later one begin at the document of the lowest degree that is
 * left, by the degrees of the whole graph. Of equals the lower index is taken, so that the order is determined. Every neighbour is looked
 * at once: time and memory grow linearly with documents times neighbours.
 *
 * @throws RangeError if a neighbour is no document
 */
export function similarityWalk(neighbours: Neighbours): DocumentPaths {
  const graph = neighbourGraph(neighbours);
  const { documents, starts, ids, similarities } = graph;
  const waiting = byDegree(graph);
  const isTaken = new Uint8Array(documents);
  const order = new Uint32Array(documents);
  const pathStarts: number[] = [];

  const nearestLeft = (document: number): number => {
    let best = -1;
    let closest = -Infinity;
    for (let at = starts[document]; at < starts[document + 1]; at++) {
      const id = ids[at];
      if (isTaken[id]) continue;
      if (best < 0 || similarities[at] > closest || (similarities[at] === closest && id < best)) {
        [best, closest] = [id, similarities[at]];
      }
    }
    return best;
  };

  let firstWaiting = 0;
  let current = -1;
  for (let placed = 0; placed < documents; placed++) {
    current = current < 0 ? -1 : nearestLeft(current);
    if (current < 0) {
      while (isTaken[waiting[firstWaiting]]) firstWaiting++;
      current = waiting[firstWaiting];
      pathStarts.push(placed);
    }
    isTaken[current] = 1;
    order[placed] = current;
  }
  return { order, pathStarts: Uint32Array.from(pathStarts) };
}
