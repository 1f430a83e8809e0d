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

/** A file of JSON lines, open for appending. */
export class RowLog<Row> {
  readonly #file: string;
  readonly #handle: fs.FileHandle;
  readonly #lineOf: (row: Row) => string;
  #sizeBytes: number;
  #unwritten = "";
  /** One write at a time: rows may be appended while the file is being flushed. */
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: fs.FileHandle, sizeBytes: number, lineOf: (row: Row) => string) {
    this.#file = file;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
    this.#lineOf = lineOf;
  }

  /**
   * Opens the file so that it holds `kept` and nothing else: a torn line and rows beyond a checkpoint are cut off.
   *
   * @param kept a beginning of what `readRows` read from it
   * @param lineOf a row's line, with its end
   */
  static async open<Row>(file: string, kept: readonly Row[], lineOf: (row: Row) => string): Promise<RowLog<Row>> {
    const handle = await fs.open(file, "a");
    const sizeBytes = kept.reduce((size, row) => size + Buffer.byteLength(lineOf(row)), 0);
    await handle.truncate(sizeBytes);
    return new RowLog(file, handle, sizeBytes, lineOf);
  }

  /**
   * Appends a line. What cannot be written whole is taken back, and written with the next line or `flush`.
   *
   * @throws an error that says what to do
   */
  async append(row: Row): Promise<void> {
    this.#unwritten += this.#lineOf(row);
    await this.#inTurn(() => this.#write());
  }

  /** Brings every line to the disk: before, lines may be lost with the machine's power, though not with the process. */
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
    const text = this.#unwritten;
    if (text === "") return;
    this.#unwritten = "";
    try {
      await this.#handle.appendFile(text);
    } catch (error) {
      this.#unwritten = text + this.#unwritten;
      await this.#handle.truncate(this.#sizeBytes);
      throw fileSystemError(`records could not be written to ${this.#file}`, error);
    }
    this.#sizeBytes += Buffer.byteLength(text);
  }
}

/** Appends a row. One that cannot be written stays in memory and is written with a later one; the console says so. */
export async function appended<Row>(log: RowLog<Row>, row: Row): Promise<void> {
  try {
    await log.append(row);
  } catch (error) {
    console.warn(`${messageOf(error)}. Training goes on; they are kept in memory meanwhile`);
  }
}
