import type { DocumentStore } from "../documents";
import { permutation } from "../permutation";
import type { DocumentPaths } from "../similarity/similarity-walk";
import type { BatchingConfig } from "./batching-config";

/** An order of a corpus's training documents. */
export interface DocumentOrder {
  readonly batching: BatchingConfig;
  /** SHA-256 of the order's document indices; undefined where the run's seed draws it anew in each epoch. */
  readonly hash?: string;
  /** The order, where it is fixed. */
  readonly paths?: DocumentPaths;
}

/** What a run takes unless told otherwise. */
export const RANDOM_ORDER: DocumentOrder = { batching: { order: "random" } };

/**
 * The documents as an epoch takes them. A fixed order begins elsewhere in each epoch after the first and goes around, so that instances are cut at
 * other places; a drawn one is drawn anew.
 */
export function orderOfEpoch(
  { batching, paths }: DocumentOrder,
  store: DocumentStore,
  seed: number,
  epoch: number,
): Uint32Array {
  const drawn = permutation(store.documents, seed, epoch);
  if (paths) return epoch === 0 ? paths.order : rotated(paths.order, drawn[0]);
  if (batching.order === "random") return drawn;
  return grouped(drawn, store.domains);
}

function rotated(order: Uint32Array, start: number): Uint32Array {
  const turned = new Uint32Array(order.length);
  turned.set(order.subarray(start));
  turned.set(order.subarray(0, start), order.length - start);
  return turned;
}

/** The documents domain after domain, in each as they were. */
function grouped(order: Uint32Array, domains: Uint16Array): Uint32Array {
  const starts = new Uint32Array(domains.reduce((largest, domain) => Math.max(largest, domain), 0) + 2);
  for (const domain of domains) starts[domain + 1]++;
  for (let domain = 1; domain < starts.length; domain++) starts[domain] += starts[domain - 1];
  const sorted = new Uint32Array(order.length);
  for (const document of order) sorted[starts[domains[document]]++] = document;
  return sorted;
}
