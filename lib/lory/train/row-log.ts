import fs from "node:fs/promises";
import { messageOf } from "../data/corpus-error";
import { fileSystemError, isMissing } from "./durable-file";

/**
 * The rows of a file of JSON lines. A last line without its end, left by a process that was killed, is ignored.
 *
 * @param parse one line, given how many were before it; throws for one that does not belong there
 * @returns none if there is no file
 * @throws an error with the line's number if a line is damaged
 */
export async function readRows<Row>(file: string, parse: (line: string, index: number) => Row): Promise<Row[]> {
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
        return parse(line, i);
      } catch (error) {
        throw new Error(`${file}: line ${i + 1} is damaged; delete the run's directory to train it again`, {
          cause: error,
        });
      }
    });
}

/** A file of rows, open for appending: of JSON lines, or of records of bytes. */
export class RowLog<Row> {
  readonly #file: string;
  readonly #handle: fs.FileHandle;
  readonly #encoded: (row: Row) => string | Uint8Array;
  #sizeBytes: number;
  #unwritten: Uint8Array[] = [];
  /** One write at a time: rows may be appended while the file is being flushed. */
  #last: Promise<void> = Promise.resolve();

  private constructor(
    file: string,
    handle: fs.FileHandle,
    sizeBytes: number,
    encoded: (row: Row) => string | Uint8Array,
  ) {
    this.#file = file;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
    this.#encoded = encoded;
  }

  /**
   * Opens the file so that it holds `kept` and nothing else: a torn line and rows beyond a checkpoint are cut off.
   *
   * @param kept a beginning of what `readRows` read from it
   * @param lineOf a row's line, with its end
   */
  static async open<Row>(file: string, kept: readonly Row[], lineOf: (row: Row) => string): Promise<RowLog<Row>> {
    const sizeBytes = kept.reduce((size, row) => size + Buffer.byteLength(lineOf(row)), 0);
    return RowLog.openAt(file, sizeBytes, lineOf);
  }

  /** Opens the file so that it holds its first bytes and nothing else. */
  static async openAt<Row>(
    file: string,
    sizeBytes: number,
    encoded: (row: Row) => string | Uint8Array,
  ): Promise<RowLog<Row>> {
    const handle = await fs.open(file, "a");
    await handle.truncate(sizeBytes);
    return new RowLog(file, handle, sizeBytes, encoded);
  }

  /**
   * Appends a row. What cannot be written whole is taken back, and written with the next row or `flush`.
   *
   * @throws an error that says what to do
   */
  async append(row: Row): Promise<void> {
    this.#unwritten.push(Buffer.from(this.#encoded(row)));
    await this.#inTurn(() => this.#write());
  }

  /** Brings every row to the disk: before, rows may be lost with the machine's power, though not with the process. */
  async flush(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#write();
      await this.#handle.sync();
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#handle.close());
  }

  async #inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#unwritten);
    if (bytes.length === 0) return;
    this.#unwritten = [];
    try {
      await this.#handle.appendFile(bytes);
    } catch (error) {
      this.#unwritten.unshift(bytes);
      await this.#handle.truncate(this.#sizeBytes);
      throw fileSystemError(`records could not be written to ${this.#file}`, error);
    }
    this.#sizeBytes += bytes.length;
  }
}

/** Appends a row. One that cannot be written stays in memory and is written with a later one; the console says so. */
export async function appended<Row>(log: { append(row: Row): Promise<void> }, row: Row): Promise<void> {
  try {
    await log.append(row);
  } catch (error) {
    console.warn(`${messageOf(error)}. Training goes on; they are kept in memory meanwhile`);
  }
}
