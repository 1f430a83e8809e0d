import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";

/** Texts one after the other in a file, read by position: a corpus's texts are more than memory holds. */
export interface TextSpool {
  /** Appends a text. */
  readonly append: (text: string) => SpooledText;
  readonly read: (text: SpooledText) => string;
  readonly close: () => void;
}

/** Where a text lies in a spool, in UTF-8 bytes. */
export interface SpooledText {
  at: number;
  bytes: number;
}

/** Texts are written when as many bytes have come together. */
const WRITE_BYTES = 1 << 22;

/** Opens a file for texts: an empty one to append to, or one that was written before to read from. */
export function openSpool(file: string, mode: "append" | "read" = "append"): TextSpool {
  const descriptor = openSync(file, mode === "append" ? "w+" : "r");
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let end = 0;
  const flush = () => {
    const block = Buffer.concat(waiting);
    for (let done = 0; done < block.length;) {
      done += writeSync(descriptor, block, done, block.length - done, end - waitingBytes + done);
    }
    waiting = [];
    waitingBytes = 0;
  };
  return {
    append: (text) => {
      const bytes = Buffer.from(text);
      waiting.push(bytes);
      waitingBytes += bytes.length;
      const at = end;
      end += bytes.length;
      if (waitingBytes >= WRITE_BYTES) flush();
      return { at, bytes: bytes.length };
    },
    read: ({ at, bytes }) => {
      if (waitingBytes > 0 && at + bytes > end - waitingBytes) flush();
      const block = Buffer.allocUnsafe(bytes);
      for (let done = 0; done < bytes;) {
        const got = readSync(descriptor, block, done, bytes - done, at + done);
        if (got === 0) throw new Error(`${file} became shorter while it was read`);
        done += got;
      }
      return block.toString("utf8");
    },
    close: () => {
      if (waitingBytes > 0) flush();
      if (mode === "append") fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}
