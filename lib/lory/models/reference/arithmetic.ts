// Shapes: D model, F ffn.
/** A vector. */
export type Row = readonly number[];

/** A matrix inside a flat array: `at(i, o)` is `values[offset + i columns + o]`. */
export interface Matrix {
  readonly values: ArrayLike<number>;
  readonly columns: number;
  readonly offset?: number;
}

export function swiglu(x_D: Row, gateUp: ArrayLike<number>, down: ArrayLike<number>, F: number): Row {
  const gateUp_G = times(x_D, { values: gateUp, columns: 2 * F });
  const hidden_F = gateUp_G.slice(0, F).map((gate, f) => (gate / (1 + Math.exp(-gate))) * gateUp_G[F + f]);
  return times(hidden_F, { values: down, columns: x_D.length });
}

export function rmsNorm(x_D: Row, weight_D: Float64Array, eps: number): Row {
  const rms = Math.sqrt(dot(x_D, x_D) / x_D.length + eps);
  return x_D.map((x, d) => (x / rms) * weight_D[d]);
}

/** A row vector times a matrix of as many rows; the product has what is left of a matrix's line after the offset. */
export function times(x: Row, { values, columns, offset = 0 }: Matrix): number[] {
  return Array.from({ length: columns - (offset % columns) }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * values[offset + i * columns + o], 0),
  );
}

export function softmax(scores: Row): Row {
  const highest = Math.max(...scores);
  const exps = scores.map((score) => Math.exp(score - highest));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

export function mean(rows: readonly Row[]): Row {
  return rows[0].map((_, d) => rows.reduce((sum, row) => sum + row[d], 0) / rows.length);
}

export function dot(a: Row, b: Row): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

export function add(a: Row, b: Row): Row {
  return a.map((value, i) => value + b[i]);
}

/** Where the `count` highest are, the highest first; equal ones in order of index. */
export function highest(values: Row, count: number): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[j] - values[i] || i - j);
  return order.slice(0, count);
}

export function sum(values: Row): number {
  return values.reduce((total, value) => total + value, 0);
}
