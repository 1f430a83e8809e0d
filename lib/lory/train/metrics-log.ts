import { metricsLine, parseMetricsLine, type StepMetrics } from "./metrics";
import { readRows, RowLog } from "./row-log";

/**
 * The steps recorded in a `metrics.jsonl`. A last line without its end, left by a process that was killed, is ignored.
 *
 * @throws an error with the line's number if a line is damaged or a step missing
 */
export async function readMetrics(file: string): Promise<StepMetrics[]> {
  return readRows(file, (line, i) => {
    const metrics = parseMetricsLine(line);
    if (metrics.step === i + 1) return metrics;
    throw new Error(`it holds step ${metrics.step}, expected ${i + 1}`);
  });
}

/** Opens a `metrics.jsonl`, one line a step, so that it holds `kept`: a beginning of what `readMetrics` read from it. */
export async function openMetricsLog(file: string, kept: readonly StepMetrics[]): Promise<RowLog<StepMetrics>> {
  return RowLog.open(file, kept, metricsLine);
}
