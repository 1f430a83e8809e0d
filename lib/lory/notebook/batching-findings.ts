import { formatCount } from "./numbers";
import { table, type Row, type Table } from "./table";

/** What an order of documents does to training instances, under the name of the order. */
export interface MeasuredBatching {
  readonly name: string;
  readonly documents: number;
  /** Where a walk began anew; null for orders without paths. */
  readonly restarts: number | null;
  readonly instances: number;
  readonly documentsMean: number;
  readonly documentsMedian: number;
  readonly purity: number;
  readonly similarity: number;
  readonly sameFile: number;
}

/** Batchings side by side. */
export function batchingTable(batchings: readonly MeasuredBatching[]): Table {
  const rows = batchings.map((each): Row => ({
    batching: each.name,
    "similarity of neighbours": each.similarity,
    "domain purity": each.purity,
    "neighbours of one file": each.sameFile,
    "documents an instance, median": each.documentsMedian,
    "documents an instance, mean": each.documentsMean,
    "walk restarts": each.restarts,
  }));
  return table(rows, {
    digits: {
      "similarity of neighbours": 3,
      "domain purity": 3,
      "neighbours of one file": 3,
      "documents an instance, mean": 1,
    },
  });
}

/**
 * What batchings do, in sentences made from the numbers: where each lies between random order and the order by domain.
 *
 * @throws RangeError if `random` or `domain` is not among them
 */
export function batchingFindings(batchings: readonly MeasuredBatching[]): string {
  const [random, domain] = ["random", "domain"].map((name) => {
    const found = batchings.find((each) => each.name === name);
    if (!found) throw new RangeError(`batchings are compared with ${name} order, which is not among them`);
    return found;
  });
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const span = domain.purity - random.purity;
  const others = batchings.filter((each) => each !== random && each !== domain);
  const sentences = others.map((each) => {
    const way = percent((each.purity - random.purity) / span);
    const restarts =
      each.restarts === null
        ? ""
        : `; a new path begins after ${(each.documents / (each.restarts + 1)).toFixed(1)} documents on average`;
    return (
      `**${each.name}**: neighbours have a mean cosine of ${each.similarity.toFixed(3)}, and ${percent(each.sameFile)} of them are of one file; ` +
      `purity goes ${way} of the way from random order to the domains${restarts}.`
    );
  });
  return [
    `An instance holds ${random.documentsMedian} documents (median). In random order the most frequent domain has ${percent(random.purity)} of an instance's tokens, ` +
      `ordered by domain ${percent(domain.purity)}; the mean cosine of neighbours is ${random.similarity.toFixed(3)} and ${domain.similarity.toFixed(3)}.`,
    ...sentences,
    `All orders hold the same ${formatCount(random.documents)} documents, each once.`,
  ].join("\n\n");
}
