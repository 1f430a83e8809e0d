import fs from "node:fs/promises";
import { fileSystemError, isMissing } from "./durable-file";
import { metricsLine, parseMetricsLine, type StepMetrics } from "./metrics";

/**
 * The steps recorded in a `metrics.jsonl`. A last line without its end, left by a process that was killed, is ignored.
 *
 * @throws an error with the line's number if a line is damaged or a step missing
 */
export async function readMetrics(file: string): Promise<StepMetrics[]> {
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1)
    .map((line, i) => {
      try {
        const metrics = parseMetricsLine(line);
        if (metrics.step === i + 1) return metrics;
        throw new Error(`it holds step ${metrics.step}, expected ${i + 1}`);
      } catch (error) {
        throw new Error(`${file}: line ${i + 1} is damaged; delete the run's directory to train it again`, {
          cause: error,
        });
      }
    });
}

/** A `metrics.jsonl` open for appending: one line a step. */
export class MetricsLog {
  readonly #file: string;
  readonly #handle: fs.FileHandle;
  #sizeBytes: number;
  #unwritten = "";

  private constructor(file: string, handle: fs.FileHandle, sizeBytes: number) {
    this.#file = file;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  /**
   * Opens the file so that it holds `kept` and nothing else: a torn line and steps beyond a checkpoint are cut off.
   *
   * @param kept a beginning of what `readMetrics` read from it
   */
  static async open(file: string, kept: readonly StepMetrics[]): Promise<MetricsLog> {
    const handle = await fs.open(file, "a");
    const sizeBytes = kept.reduce((size, metrics) => size + Buffer.byteLength(metricsLine(metrics)), 0);
    await handle.truncate(sizeBytes);
    return new MetricsLog(file, handle, sizeBytes);
  }

  /**
   * Appends a line. What cannot be written whole is taken back, and written with the next line or `flush`.
   *
   * @throws an error that says what to do
   */
  async append(metrics: StepMetrics): Promise<void> {
    this.#unwritten += metricsLine(metrics);
    await this.#write();
  }

  /** Brings every line to the disk: before, lines may be lost with the machine's power, though not with the process. */
  async flush(): Promise<void> {
    await this.#write();
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(): Promise<void> {
    if (this.#unwritten === "") return;
    try {
      await this.#handle.appendFile(this.#unwritten);
    } catch (error) {
      await this.#handle.truncate(this.#sizeBytes);
      throw fileSystemError(`metrics could not be written to ${this.#file}`, error);
    }
    this.#sizeBytes += Buffer.byteLength(this.#unwritten);
    this.#unwritten = "";
  }
}
