/** A mean with its interval. */
interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** How much higher one loss is than another, by domain and over all windows. */
export interface LossDifference {
  readonly domains: readonly (Interval & { readonly domain: string })[];
  readonly total: Interval;
}

/**
 * What came out of routing continuations by the prompt alone against routing them segment by segment, in sentences made from the numbers.
 *
 * @param difference loss of prompt-only routing minus that of routing by segments
 * @param bySegment the same by segment behind the prompt, mean over domains
 */
export function routingComparisonFindings(
  difference: LossDifference,
  bySegment: readonly number[],
  promptLength: number,
): string {
  const { total, domains } = difference;
  const names = (of: readonly { domain: string }[]): string =>
    of.length > 0 ? ` (${of.map(({ domain }) => domain).join(", ")})` : "";
  const worse = domains.filter(({ low }) => low > 0);
  const better = domains.filter(({ high }) => high < 0);
  const isClear = total.low > 0 || total.high < 0;
  return [
    `Behind prompts of ${promptLength} tokens, routing by the prompt alone has a loss ${nats(total.mean)} than routing each segment anew ` +
      `(95 % interval ${signed(total.low)} to ${signed(total.high)}, over windows); this interval ${isClear ? "excludes" : "includes"} zero.`,
    `By domain the interval lies above zero in ${worse.length} of ${domains.length}${names(worse)} and below it in ` +
      `${better.length}${names(better)}.`,
    `In the first segment behind the prompt the difference is ${signed(bySegment[0])} nats, in the last ${signed(bySegment[bySegment.length - 1])}.`,
  ].join(" ");
}

/** How far routing moved through texts of one kind. */
export interface DriftFinding {
  readonly name: string;
  readonly fromPrompt: readonly number[];
  readonly fromBefore: readonly number[];
}

/** What drift shows, in sentences made from the numbers. */
export function driftFindings(texts: readonly DriftFinding[]): string {
  return texts
    .map(({ name, fromPrompt, fromBefore }) => {
      const [first, last] = [fromPrompt[0], fromPrompt[fromPrompt.length - 1]];
      return (
        `In ${name}, routing is ${first.toFixed(3)} away from the prompt's end in the first segment behind it and ${last.toFixed(3)} in the last ` +
        `(segment ${fromPrompt.length}), in total variation distance; from one segment to the next it moves by ${meanOf(fromBefore).toFixed(3)} on average.`
      );
    })
    .join(" ");
}

/** Milliseconds for a token, by round, of one way of writing. */
export interface SpeedFinding {
  readonly name: string;
  readonly msPerToken: readonly number[];
}

/** How fast each way of writing is against the first one, in sentences made from the numbers: medians of the rounds' ratios. */
export function speedFindings([baseline, ...others]: readonly SpeedFinding[]): string {
  const sentences = others.map(({ name, msPerToken }) => {
    const ratios = msPerToken.map((ms, round) => ms / baseline.msPerToken[round]);
    return (
      `A token of ${name} takes ${medianOf(ratios).toFixed(3)} times as long as one of ${baseline.name} ` +
      `(rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}).`
    );
  });
  return [`A token of ${baseline.name} takes ${medianOf(baseline.msPerToken).toFixed(2)} ms.`, ...sentences].join(" ");
}

/** A model that keeps some of its experts for a prompt. */
export interface SparseFinding {
  readonly count: number;
  readonly renormalize: boolean;
  readonly lossNats: number;
  readonly weightBytes: number;
}

/** What making a soft mixture sparse costs, in sentences made from the numbers. */
export function sparseFindings(points: readonly SparseFinding[]): string {
  const soft = points.reduce((most, point) => (point.count > most.count ? point : most));
  const sentences = points
    .filter(({ count }) => count < soft.count)
    .map(
      ({ count, renormalize, lossNats, weightBytes }) =>
        `the ${count === 1 ? "highest expert" : `${count} highest experts`} of a prompt alone, weights ${renormalize ? "renormalized" : "as they were"}, ` +
        `${signed(lossNats - soft.lossNats)} nats with ${((100 * weightBytes) / soft.weightBytes).toFixed(0)} % of the bytes`,
    );
  return `Against all ${soft.count} experts, a loss of ${soft.lossNats.toFixed(3)} nats: ${sentences.join("; ")}.`;
}

/** One seed of a panel. */
export interface PanelFinding {
  readonly seed: number;
  readonly difference: LossDifference;
  readonly sparse: readonly SparseFinding[];
}

/** What holds over a panel's seeds, in sentences made from the numbers. */
export function panelFindings(seeds: readonly PanelFinding[]): string {
  const gaps = seeds.map(({ difference }) => difference.total.mean);
  const clear = (isClear: (total: Interval) => boolean): number =>
    seeds.filter(({ difference }) => isClear(difference.total)).length;
  const counts = [...new Set(seeds[0].sparse.map(({ count }) => count))].slice(0, -1);
  const costs = counts.map((count) => {
    const values = seeds.map(({ sparse }) => {
      const kept = sparse.find((point) => point.count === count && point.renormalize)!;
      return kept.lossNats - sparse[sparse.length - 1].lossNats;
    });
    return `${count} of them ${signed(meanOf(values))} (${signed(Math.min(...values))} to ${signed(Math.max(...values))})`;
  });
  return (
    `Over ${seeds.length} seeds, routing by the prompt alone has a loss ${nats(meanOf(gaps))} than routing each segment anew, ` +
    `${signed(Math.min(...gaps))} to ${signed(Math.max(...gaps))} by seed; the seed's interval lies above zero in ${clear(({ low }) => low > 0)} and below it in ` +
    `${clear(({ high }) => high < 0)} of ${seeds.length}. In nats against all experts, keeping a prompt's highest with renormalized weights costs: ${costs.join("; ")}.`
  );
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
const nats = (value: number): string => `${Math.abs(value).toFixed(4)} nats ${value < 0 ? "lower" : "higher"}`;
const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const medianOf = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
