import fs from "node:fs/promises";
import { isMissing } from "../train/durable-file";

/** Reads the lines of a file as they are added by another process. */
export class LineTail {
  readonly #file: string;
  #offset = 0;
  /** The beginning of a line whose end is not there yet. */
  #rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The whole lines since the last call. A file that has become shorter, as that of a training which went back to its last checkpoint, is read
   * from its beginning again.
   *
   * @returns none while there is no file
   */
  async next(): Promise<string[]> {
    let handle: fs.FileHandle;
    try {
      handle = await fs.open(this.#file, "r");
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    try {
      const { size } = await handle.stat();
      if (size < this.#offset) [this.#offset, this.#rest] = [0, Buffer.alloc(0)];
      const added = Buffer.alloc(size - this.#offset);
      const { bytesRead } = await handle.read(added, 0, added.length, this.#offset);
      this.#offset += bytesRead;
      const all = Buffer.concat([this.#rest, added.subarray(0, bytesRead)]);
      const end = all.lastIndexOf("\n") + 1;
      this.#rest = all.subarray(end);
      return end === 0
        ? []
        : all
            .subarray(0, end - 1)
            .toString("utf8")
            .split("\n");
    } finally {
      await handle.close();
    }
  }
}
