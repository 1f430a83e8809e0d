// Shapes: Y layers with experts, B batch, N units that are routed alike (segments, tokens or sequences), E experts, Q = 1 + 2 E.
import * as tf from "@tensorflow/tfjs-core";

/** A weight counts as high above this multiple of the even one, 1 / E (Lory, Fig. 9). */
const HIGH_WEIGHT = 2;

/**
 * What the statistics of routing are computed from: means over the tokens of a batch, so that those of batches of one size are averaged
 * to those of all. Each layer's row has the mean entropy of a unit's weights in nats; for each expert its mean weight; and for each
 * expert the share of the tokens whose weight for it is above 2 / E. A unit's weights are taken as shares of their sum; one without a weight
 * counts nowhere. Without gradient.
 *
 * @param routing weights of each layer, [B, N, E], a row for each unit
 * @param unitTokens tokens of each of the N units
 * @returns [Y, Q]
 */
export function routingSums(routing: readonly tf.Tensor3D[], unitTokens: readonly number[]): tf.Tensor2D {
  return tf.tidy(() => {
    const weights_YBNE = tf.stack([...routing]) as tf.Tensor4D;
    const [layers, batch, units, numExperts] = weights_YBNE.shape;
    const total_YBN1 = tf.sum(weights_YBNE, 3, true);
    const shares_YBNE = tf.div(weights_YBNE, tf.maximum(total_YBN1, TINY));
    const logs_YBNE = tf.log(tf.maximum(shares_YBNE, TINY));
    const entropy_YBN1 = tf.neg(tf.sum(tf.mul(shares_YBNE, logs_YBNE), 3, true));
    const isHigh_YBNE = tf.cast(tf.greater(shares_YBNE, HIGH_WEIGHT / numExperts), "float32");
    const all_YBNQ = tf.concat([entropy_YBN1, shares_YBNE, isHigh_YBNE], 3);
    const ofUnits_YNQ = tf.sum(all_YBNQ, 1);
    const tokens = unitTokens.reduce((sum, count) => sum + count, 0);
    const parts = unitTokens.map((count) => count / (tokens * batch));
    // A product with a constant, and not a matrix product, whose precision a device may lower.
    const part_N1: tf.Tensor | number =
      new Set(parts).size === 1 ? parts[0] : tf.reshape(tf.tensor1d(parts), [units, 1]);
    return tf.reshape(tf.sum(tf.mul(ofUnits_YNQ, part_N1), 1), [layers, 1 + 2 * numExperts]);
  });
}

/** Keeps a logarithm and a division finite; the smallest normal number of f32. */
const TINY = 1.1754944e-38;

/** Whether a unit's weight for an expert counts as high: above 2 / E. */
export function isHighWeight(share: number, numExperts: number): boolean {
  return share > HIGH_WEIGHT / numExperts;
}

/** How a layer routes. Each is defined here and nowhere else. */
export interface RoutingStatistics {
  /** `mean_x H(p_x)`, in nats: the entropy of a unit's weights p, on average. 0: each takes one expert; log E: all take all evenly. */
  readonly meanEntropyNats: number;
  /** `H(mean_x p_x)`, in nats: the entropy of the mean weights. It exceeds the mean entropy by what units differ in. */
  readonly entropyOfMeanNats: number;
  /** `exp H(mean_x p_x)`: how many experts evenly used would have the entropy of the mean. */
  readonly effectiveExperts: number;
  /** The share of the pairs (unit, expert) whose weight is above 2 / E. */
  readonly highShare: number;
  /** `E max_e mean_x p_x - 1`: how far the most used expert's mean weight exceeds the even one, as a share of that. */
  readonly loadImbalance: number;
  /** The experts whose weight was above 2 / E for at least one unit, by index. */
  readonly highExperts: readonly number[];
}

/**
 * The statistics of one layer.
 *
 * @param sums_Q a row of `routingSums`, or a mean of such rows
 * @returns undefined if no unit had a weight
 */
export function routingStatistics(sums_Q: ArrayLike<number>): RoutingStatistics | undefined {
  const [entropy, ...rest] = Array.from(sums_Q);
  const numExperts = rest.length / 2;
  const weights_E = rest.slice(0, numExperts);
  const high_E = rest.slice(numExperts);
  const total = weights_E.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return undefined;
  const mean_E = weights_E.map((weight) => weight / total);
  const entropyOfMeanNats = entropyNats(mean_E);
  return {
    // Rounding may leave a trace below 0, or its sign.
    meanEntropyNats: Math.max(0, entropy / total),
    entropyOfMeanNats,
    effectiveExperts: Math.exp(entropyOfMeanNats),
    highShare: high_E.reduce((sum, share) => sum + share, 0) / (total * numExperts),
    loadImbalance: numExperts * Math.max(...mean_E) - 1,
    highExperts: high_E.flatMap((share, expert) => (share > 0 ? [expert] : [])),
  };
}

/** The entropy of shares that sum to 1, in nats. */
export function entropyNats(shares: readonly number[]): number {
  return shares.reduce((sum, share) => (share > 0 ? sum - share * Math.log(share) : sum), 0);
}

/**
 * The mutual information of expert and domain, in nats: `H(mean_d p_d) - mean_d H(p_d)` of the domains' mean weights p_d, each domain counting
 * alike. 0: routing does not depend on the domain; log of the number of domains at most, where no two share an expert.
 *
 * @param weights_DE the mean weights of each domain
 */
export function domainInformationNats(weights_DE: readonly (readonly number[])[]): number {
  const shares_DE = weights_DE.map((row) => {
    const total = row.reduce((sum, weight) => sum + weight, 0);
    return row.map((weight) => (total === 0 ? 0 : weight / total));
  });
  const count = shares_DE.length;
  const mean_E = shares_DE[0].map((_, e) => shares_DE.reduce((sum, row) => sum + row[e], 0) / count);
  const within = shares_DE.reduce((sum, row) => sum + entropyNats(row), 0) / count;
  // Rounding may leave a trace below 0 where all domains are alike.
  return Math.max(0, entropyNats(mean_E) - within);
}
