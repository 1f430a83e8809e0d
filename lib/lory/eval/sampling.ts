/** How the next token is drawn from the model's distribution. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the likeliest token, the first of equals. */
  readonly temperature: number;
  /** Only the likeliest tokens that together have this probability are drawn from (nucleus sampling, arXiv 1904.09751). */
  readonly topP: number;
  /** Only so many of the likeliest tokens are drawn from; 0, the default, is no limit. */
  readonly topK?: number;
}

/** Uniform numbers in [0, 1), the same for the same seed everywhere (SplitMix64, its upper 53 bits). */
export function uniformNumbers(seed: number): () => number {
  const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
  let state = BigInt(seed);
  return () => {
    state = wrap(state + 0x9e3779b97f4a7c15n);
    let bits = wrap((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    bits = wrap((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn);
    return Number((bits ^ (bits >> 31n)) >> 11n) / 2 ** 53;
  };
}

/**
 * Draws a token.
 *
 * @param logits of the whole vocabulary
 * @param uniform a number in [0, 1): equal numbers and logits give equal tokens
 * @throws an error if a logit is NaN
 */
export function sampleToken(
  logits: Float32Array,
  { temperature, topP, topK = 0 }: SamplingOptions,
  uniform: number,
): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw new Error(`the logit of token ${id} is NaN: the model's parameters are spoilt`);
    if (logits[id] > logits[best]) best = id;
  }
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (topP === 1 && topK === 0) return drawn(weights, weights, uniform * total, best);
  // By falling probability; all of them are numbers of at least 0.
  const falling = weights.toSorted().reverse();
  const most = topK === 0 ? falling.length : Math.min(topK, falling.length);
  let kept = 0;
  let keptWeight = 0;
  while (kept < most && (kept === 0 || keptWeight < topP * total)) keptWeight += falling[kept++];
  return drawn(falling.subarray(0, kept), weights, uniform * keptWeight, best);
}

/** The token at which weights in this order, added up, exceed a number; those of the same weight stand in order of their ids. */
function drawn(order: Float64Array, weights: Float64Array, left: number, otherwise: number): number {
  let place = 0;
  let rest = left - order[0];
  while (rest >= 0 && ++place < order.length) rest -= order[place];
  if (place === order.length) return otherwise;
  if (order === weights) return place;
  let id = weights.indexOf(order[place]);
  for (let equal = order.indexOf(order[place]); equal < place; equal++) id = weights.indexOf(order[place], id + 1);
  return id;
}
