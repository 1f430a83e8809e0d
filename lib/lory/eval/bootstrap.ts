import { below, randomBits } from "../data/permutation";

export interface BootstrapOptions {
  /** How often documents are drawn anew; default 1000. */
  readonly resamples?: number;
  /** Probability with which intervals hold the true value; default 0.95. */
  readonly level?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** A mean and its bootstrap interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What a document contributes to one mean: the sum of its values, and their total weight. */
export interface DocumentSum {
  readonly sum: number;
  readonly weight: number;
}

/** Means that nothing contributes to are null. */
export interface StratifiedMeans {
  /** By stratum, then statistic. */
  readonly strata: (Interval | null)[][];
  /** Over the documents of all strata, by statistic. */
  readonly total: (Interval | null)[];
}

/**
 * Weighted means with percentile intervals of the bootstrap (Efron 1979): documents are drawn with replacement, as many from each stratum
 * as it has, and all of a document's values go together, since they are not independent. Differences of two models on the same documents
 * are paired if they are the values.
 *
 * @param strata by stratum (a domain), document, and statistic
 * @throws RangeError for a bad option
 */
export function bootstrapMeans(
  strata: readonly (readonly (readonly DocumentSum[])[])[],
  options: BootstrapOptions = {},
): StratifiedMeans {
  const { resamples = 1000, level = 0.95, seed = 0 } = options;
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new RangeError(`resamples is ${resamples}: expected a whole number of at least 1`);
  }
  if (!(level > 0 && level < 1)) throw new RangeError(`level is ${level}: expected a number above 0 and below 1`);
  const count = Math.max(0, ...strata.flatMap((documents) => documents.map((statistics) => statistics.length)));
  const observed = meansOf(strata, count, (documents) => documents);
  const bits = randomBits(seed);
  const drawn = Array.from({ length: resamples }, () =>
    meansOf(strata, count, (documents) => documents.map(() => documents[below(documents.length, bits)])),
  );
  const intervals = (of: (means: Means) => readonly number[]): (Interval | null)[] =>
    of(observed).map((mean, k) => {
      if (Number.isNaN(mean)) return null;
      // A resample that nothing of a rare statistic was drawn into says nothing of it.
      const sorted = Float64Array.from(
        drawn.map((means) => of(means)[k]).filter((value) => !Number.isNaN(value)),
      ).sort();
      return { mean, low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
    });
  return {
    strata: strata.map((_, s) => intervals((means) => means.strata[s])),
    total: intervals((means) => means.total),
  };
}

/** Means of the drawn documents, NaN where there is no weight. */
interface Means {
  readonly strata: number[][];
  readonly total: number[];
}

type Document = readonly DocumentSum[];

function meansOf(
  strata: readonly (readonly Document[])[],
  count: number,
  draw: (documents: readonly Document[]) => readonly Document[],
): Means {
  const [totals, totalWeights] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)];
  const means = strata.map((documents) => {
    const [sums, weights] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)];
    for (const statistics of draw(documents)) {
      for (let k = 0; k < count; k++) {
        sums[k] += statistics[k].sum;
        weights[k] += statistics[k].weight;
      }
    }
    for (let k = 0; k < count; k++) {
      totals[k] += sums[k];
      totalWeights[k] += weights[k];
    }
    return sums.map((sum, k) => sum / weights[k]);
  });
  return { strata: means, total: totals.map((sum, k) => sum / totalWeights[k]) };
}

/** Of sorted values, between neighbours by a straight line. */
function quantile(sorted: Float64Array, probability: number): number {
  const place = probability * (sorted.length - 1);
  const [left, share] = [Math.floor(place), place % 1];
  const right = Math.min(left + 1, sorted.length - 1);
  return sorted[left] + share * (sorted[right] - sorted[left]);
}
