import { table, type Row, type Table } from "../notebook/table";
import { finalUtilization, lastTenth, mean, updatesUntilDistance, type Arm } from "./arms";

/** Distances of experts that the tables name: a hundredth and a tenth of that of unrelated ones. */
const LEVELS = [0.01, 0.1] as const;

/** How arms end, and how long the symmetry of their experts lasts, one row each. */
export function warmupTable(arms: readonly Arm[]): Table {
  const rows = arms.map((each): Row => {
    const start = each.metrics.find(({ expertDistance }) => expertDistance !== undefined);
    const end = lastTenth(each.metrics).flatMap(({ expertDistance }) => expertDistance ?? []);
    return {
      arm: each.name,
      runs: each.seeds.length,
      "loss, last tenth (nats)": mean(each.finalLosses),
      "deviation over seeds": each.seeds.length > 1 ? deviation(each.finalLosses) : undefined,
      "active pairs, last tenth": finalUtilization(each),
      "distance at first": start?.expertDistance,
      "router's gradient at first": start?.routerGradNorm,
      ...Object.fromEntries(LEVELS.map((level) => [`updates to distance ${level}`, updatesUntilDistance(each, level)])),
      "distance, last tenth": end.length === 0 ? undefined : mean(end),
    };
  });
  return table(rows, {
    digits: { "loss, last tenth (nats)": 3, "deviation over seeds": 3, "active pairs, last tenth": 3 },
  });
}

/**
 * What a dense warm-up changed (the paper's Fig. 10), in sentences made from the numbers, whichever arm they favour.
 *
 * @param without the same training without a warm-up
 */
export function warmupFindings(without: Arm, warmed: Arm): string {
  const gaps = seedGaps(without, warmed);
  const pairs = [warmed, without].map((each) => finalUtilization(each) ?? 0);
  const range = [...gaps].sort((a, b) => a - b);
  const seeds =
    gaps.length > 1
      ? `, between ${signed(range[0])} and ${signed(range[range.length - 1])} over ${gaps.length} seeds`
      : ", of one seed, so that chance is not ruled out";
  return (
    `Over the last tenth of the steps, the training loss of **${warmed.name}** is ${signed(mean(gaps))} than that of **${without.name}** on the same ` +
    `batches${seeds}. Of all pairs of layer and expert ${percent(pairs[0])} are active with the warm-up and ${percent(pairs[1])} without it.`
  );
}

/**
 * How long the symmetry of copied experts lasted, and what telling them apart from the start did, in sentences made from the numbers.
 *
 * @param others arms that break the symmetry
 */
export function symmetryFindings(copy: Arm, others: readonly Arm[]): string {
  const [at] = copy.metrics.slice(copy.startStep);
  const sentences = [
    `At the copy (**${copy.name}**) the relative distance of the experts is ${shown(at.expertDistance)} and the norm of the routers' gradient ` +
      `${shown(at.routerGradNorm)}; ${parting(copy)}.`,
    ...others.map((other) => {
      const [start] = other.metrics.slice(other.startStep);
      return (
        `**${other.name}** starts its experts at a distance of ${shown(start.expertDistance)} and its routers at a gradient of ` +
        `${shown(start.routerGradNorm)}${start.expertDistance === 0 ? `; ${parting(other)}` : ""}; its loss ends ${signed(mean(seedGaps(copy, other)))} than that of **${copy.name}**, with ` +
        `${percent(finalUtilization(other) ?? 0)} active pairs against ${percent(finalUtilization(copy) ?? 0)}.`
      );
    }),
  ];
  return sentences.join(" ");
}

/** When copies lay so far apart. */
function parting(each: Arm): string {
  const reached = LEVELS.map((level) => {
    const count = updatesUntilDistance(each, level);
    if (count === undefined) return `a distance of ${level} is not reached`;
    return `a distance of ${level} is reached within ${count} ${count === 1 ? "update" : "updates"}`;
  });
  return reached.join(", ");
}

/** By seed: the final loss of `other` minus that of `base`. */
function seedGaps(base: Arm, other: Arm): number[] {
  if (base.seeds.join() !== other.seeds.join())
    throw new Error(
      `${base.name} has the seeds ${base.seeds.join(", ")}, ${other.name} ${other.seeds.join(", ")}: expected the same`,
    );
  return other.finalLosses.map((loss, i) => loss - base.finalLosses[i]);
}

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

function signed(nats: number): string {
  return `${Math.abs(nats).toFixed(3)} nats ${nats < 0 ? "lower" : "higher"}`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function shown(value: number | undefined): string {
  return value === undefined ? "unknown" : value === 0 ? "0 exactly" : value.toPrecision(2);
}
