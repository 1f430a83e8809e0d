/** N documents, K neighbours of each. */
import { NO_NEIGHBOUR, type Neighbours } from "./neighbours";

/** Documents and who is whose neighbour, both ways: the neighbours of document i stand from `starts[i]` to `starts[i + 1]`. */
export interface NeighbourGraph {
  readonly documents: number;
  /** N + 1 places. */
  readonly starts: Uint32Array;
  readonly ids: Int32Array;
  readonly similarities: Float32Array;
}

/**
 * The graph in which two documents are joined if either is among the other's K nearest (Shi et al. 2024, arXiv 2310.10638, section 2.2). Where both
 * are, each keeps the similarity of its own row. At most 2 N K places: memory and time grow linearly with N.
 *
 * @throws RangeError if a neighbour is no document
 */
export function neighbourGraph({ documents, k, ids_NK, similarities_NK }: Neighbours): NeighbourGraph {
  const names = (of: number, id: number): boolean => {
    for (let at = of * k; at < (of + 1) * k; at++) if (ids_NK[at] === id) return true;
    return false;
  };
  const forEachArc = (visit: (from: number, to: number, similarity: number) => void): void => {
    for (let at = 0; at < ids_NK.length; at++) {
      const [own, other] = [Math.floor(at / k), ids_NK[at]];
      if (other === NO_NEIGHBOUR) continue;
      visit(own, other, similarities_NK[at]);
      if (!names(other, own)) visit(other, own, similarities_NK[at]);
    }
  };
  const wrong = ids_NK.findIndex((id) => id !== NO_NEIGHBOUR && !(id >= 0 && id < documents));
  if (wrong >= 0) {
    throw new RangeError(
      `document ${Math.floor(wrong / k)} has the neighbour ${ids_NK[wrong]}: there are ${documents} documents`,
    );
  }
  const starts = new Uint32Array(documents + 1);
  forEachArc((from) => starts[from + 1]++);
  for (let i = 0; i < documents; i++) starts[i + 1] += starts[i];
  const next = starts.slice(0, documents);
  const ids = new Int32Array(starts[documents]);
  const similarities = new Float32Array(starts[documents]);
  forEachArc((from, to, similarity) => {
    const at = next[from]++;
    ids[at] = to;
    similarities[at] = similarity;
  });
  return { documents, starts, ids, similarities };
}

/** The documents by ascending degree in the graph, of equal ones by index: a counting sort, linear in N. */
export function byDegree({ documents, starts }: NeighbourGraph): Uint32Array {
  const degree = (document: number): number => starts[document + 1] - starts[document];
  let largest = 0;
  for (let document = 0; document < documents; document++) largest = Math.max(largest, degree(document));
  const bucketStarts = new Uint32Array(largest + 2);
  for (let document = 0; document < documents; document++) bucketStarts[degree(document) + 1]++;
  for (let d = 0; d <= largest; d++) bucketStarts[d + 1] += bucketStarts[d];
  const sorted = new Uint32Array(documents);
  for (let document = 0; document < documents; document++) sorted[bucketStarts[degree(document)]++] = document;
  return sorted;
}
