// Shapes: B batch, H heads, L context, K head size.

/** The sizes of queries, keys and values [B, H, L, K], and the document of each position, if documents are apart. */
export interface AttentionSizes {
  readonly shape: readonly [number, number, number, number];
  readonly documentIds_BL?: readonly (readonly number[])[];
}

/**
 * Causal attention in plain loops and float64, one query after another, written for comparison: `softmax(q k^T / sqrt(K)) v` over the keys
 * at and before the query, of its own document. Flat arrays in, a flat array out.
 */
export function referenceAttention(
  [q, k, v]: readonly Float64Array[],
  { shape: [batch, heads, length, size], documentIds_BL }: AttentionSizes,
): Float64Array {
  const out = new Float64Array(q.length);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const at = (position: number): number => ((b * heads + h) * length + position) * size;
      for (let query = 0; query < length; query++) {
        const keys = Array.from({ length: query + 1 }, (_, key) => key).filter(
          (key) => documentIds_BL === undefined || documentIds_BL[b][key] === documentIds_BL[b][query],
        );
        const weights = keys.map((key) => {
          let score = 0;
          for (let c = 0; c < size; c++) score += q[at(query) + c] * k[at(key) + c];
          return Math.exp(score / Math.sqrt(size));
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        keys.forEach((key, n) => {
          for (let c = 0; c < size; c++) out[at(query) + c] += (weights[n] / total) * v[at(key) + c];
        });
      }
    }
  }
  return out;
}
