import { table, type Row, type Table } from "./table";

/** Held-out loss of a domain, the first segment apart. */
export interface DomainLoss {
  readonly domain: string;
  readonly tokens: number;
  readonly lossNats: number;
  readonly firstSegmentLossNats: number;
  /** Null if a context is one segment. */
  readonly restLossNats: number | null;
}

/** A model's held-out results under the name that tables give it. */
export interface EvaluatedModel {
  readonly name: string;
  readonly domains: readonly DomainLoss[];
}

/**
 * Held-out perplexity by domain, models side by side: over all tokens, and for the first segment and the later ones
 * apart, since routing a first segment by its own mean lets a model see ahead.
 */
export function perplexityTable(models: readonly EvaluatedModel[]): Table {
  const parts: readonly [string, (loss: DomainLoss) => number | null][] = [
    ["all", ({ lossNats }) => lossNats],
    ["segment 1", ({ firstSegmentLossNats }) => firstSegmentLossNats],
    ["later segments", ({ restLossNats }) => restLossNats],
  ];
  const columns = parts.flatMap(([part, loss]) =>
    models.map((model) => ({ model, loss, title: `${model.name}, ${part}` })),
  );
  const perplexity = (nats: number | null) => (nats === null ? null : Math.exp(nats));
  const rows = models[0].domains.map(({ domain, tokens }, d): Row => ({
    domain,
    tokens,
    ...Object.fromEntries(columns.map(({ title, model, loss }) => [title, perplexity(loss(model.domains[d]))])),
  }));
  const mean: Row = {
    domain: "geometric mean",
    tokens: models[0].domains.reduce((sum, { tokens }) => sum + tokens, 0),
    ...Object.fromEntries(
      columns.map(({ title, model, loss }) => [title, perplexity(meanOf(model.domains.map(loss)))]),
    ),
  };
  return table([...rows, mean], { digits: Object.fromEntries(columns.map(({ title }) => [title, 1])) });
}

/**
 * What came out of comparing a model with a baseline on held-out text, in sentences made from the numbers, whichever of
 * the two they favour. Losses are compared after the first segment where there is an after.
 */
export function perplexityFindings(baseline: EvaluatedModel, model: EvaluatedModel): string {
  const gaps = model.domains.map((own, d) => {
    const other = baseline.domains[d];
    return {
      domain: own.domain,
      gap: (own.restLossNats ?? own.lossNats) - (other.restLossNats ?? other.lossNats),
      firstGap: own.firstSegmentLossNats - other.firstSegmentLossNats,
    };
  });
  const sorted = [...gaps].sort((a, b) => a.gap - b.gap);
  const lower = sorted.filter(({ gap }) => gap < 0);
  const names = (of: readonly { domain: string }[]) => of.map(({ domain }) => domain).join(", ");
  const mean = meanOf(gaps.map(({ gap }) => gap)) ?? 0;
  const firstMean = meanOf(gaps.map(({ firstGap }) => firstGap)) ?? 0;
  const [best, worst] = [sorted[0], sorted[sorted.length - 1]];
  const rest = model.domains.every(({ restLossNats }) => restLossNats !== null)
    ? "After the first segment"
    : "On held-out text";
  return [
    `${rest}, **${model.name}** has a lower held-out perplexity than **${baseline.name}** in ${lower.length} of ` +
      `${gaps.length} domains${lower.length ? ` (${names(lower)})` : ""}.`,
    `Averaged over domains its loss is ${signedNats(mean)}; it ranges from ${signedNats(best.gap)} (${best.domain}) to ` +
      `${signedNats(worst.gap)} (${worst.domain}).`,
    `In the first segment, where its routing sees the text that it predicts, the average is ${signedNats(firstMean)}.`,
  ].join(" ");
}

/**
 * How much the routing of each layer depends on the domain: the mean over pairs of domains of the total variation distance
 * between their mean weights. 0: all domains are routed alike; 1: no two domains share an expert.
 *
 * @param weights layer by domain by expert
 */
export function routingDistances(weights: readonly (readonly (readonly number[])[])[]): number[] {
  return weights.map((weights_DE) => {
    const pairs = weights_DE.flatMap((a, d) => weights_DE.slice(d + 1).map((b) => [a, b]));
    const distances = pairs.map(([a, b]) => a.reduce((sum, weight, e) => sum + Math.abs(weight - b[e]), 0) / 2);
    return meanOf(distances) ?? 0;
  });
}

/** What the routing weights show, in sentences made from the numbers. */
export function routingFindings(routing: {
  readonly domains: readonly string[];
  readonly layers: readonly number[];
  readonly weights: readonly (readonly (readonly number[])[])[];
}): string {
  const distances = routingDistances(routing.weights);
  const cells = routing.weights.flatMap((weights_DE, layer) =>
    weights_DE.flatMap((row, d) =>
      row.map((weight, expert) => ({ layer: routing.layers[layer], domain: routing.domains[d], expert, weight })),
    ),
  );
  const top = cells.reduce((a, b) => (b.weight > a.weight ? b : a));
  const uniform = 1 / routing.weights[0][0].length;
  return (
    `How much routing depends on the domain (mean total variation distance between two domains' weights, 0 to 1), from the ` +
    `bottom layer to the top: ${distances.map((distance) => distance.toFixed(3)).join(", ")}. ` +
    `The largest mean weight is ${top.weight.toFixed(3)} (layer ${top.layer}, ${top.domain}, expert ${top.expert}); ` +
    `uniform routing would give ${uniform.toFixed(3)}.`
  );
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length && known.length === values.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

function signedNats(nats: number): string {
  if (Math.abs(nats) < 0.0005) return "equal to 0.001 nats";
  return `${Math.abs(nats).toFixed(3)} nats ${nats < 0 ? "lower" : "higher"}`;
}
