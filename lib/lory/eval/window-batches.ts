// Shapes: S windows, B batch, L context, M = L + 1.
import type { HeldOutWindows } from "../data";

/** A batch of windows; rows from `windows` on repeat the last one, so that every batch has the same shape. */
export interface WindowBatch {
  readonly tokens_BM: Int32Array;
  /** Rows that count. */
  readonly windows: number;
}

/** Windows in batches of one shape, so that one compiled program takes them all. */
export function* windowBatches(
  { tokens_SM, windows }: HeldOutWindows,
  contextLength: number,
  batchSize: number,
): Generator<WindowBatch, void, undefined> {
  const rowLength = contextLength + 1;
  for (let start = 0; start < windows; start += batchSize) {
    const tokens_BM = new Int32Array(batchSize * rowLength);
    for (let row = 0; row < batchSize; row++) {
      const window = Math.min(start + row, windows - 1);
      tokens_BM.set(tokens_SM.subarray(window * rowLength, (window + 1) * rowLength), row * rowLength);
    }
    yield { tokens_BM, windows: Math.min(batchSize, windows - start) };
  }
}
