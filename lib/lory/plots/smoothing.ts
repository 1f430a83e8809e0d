/**
 * Centred mean over a window of `window` points. Near an end the window shrinks evenly on both sides, so that the first
 * and the last point stay what was measured and no point borrows from one side only.
 *
 * @param values what was measured, in order
 * @param window number of points in a full window; 1 leaves the values as they are
 */
export function centredMean(values: readonly number[], window: number): number[] {
  if (!Number.isInteger(window) || window < 1) {
    throw new RangeError(`smoothing window is ${window}: give a whole number of points, 1 or more`);
  }
  const half = Math.floor(window / 2);
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return values.map((_, i) => {
    const reach = Math.min(half, i, values.length - 1 - i);
    return (sums[i + reach + 1] - sums[i - reach]) / (2 * reach + 1);
  });
}

/** Indices of at most `count` points spread evenly over `length`, the first and the last among them. */
export function thinned(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}
