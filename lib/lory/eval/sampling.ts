/** How the next token is drawn from the model's distribution. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the likeliest token, the first of equals. */
  readonly temperature: number;
  /** Only the likeliest tokens that together have this probability are drawn from (nucleus sampling, arXiv 1904.09751). */
  readonly topP: number;
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
export function sampleToken(logits: Float32Array, { temperature, topP }: SamplingOptions, uniform: number): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw new Error(`the logit of token ${id} is NaN: the model's parameters are spoilt`);
    if (logits[id] > logits[best]) best = id;
  }
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // By falling probability, equals by id; all tokens in the order of ids if none is left out.
  const order = Array.from(weights.keys());
  if (topP < 1) order.sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = 0;
  let keptWeight = 0;
  while (kept < order.length && (kept === 0 || keptWeight < topP * total)) keptWeight += weights[order[kept++]];
  let left = uniform * keptWeight;
  for (const id of order.slice(0, kept)) {
    left -= weights[id];
    if (left < 0) return id;
  }
  return best;
}
