/** What cells print, in few messages: a loop that prints a thousand lines must not send a thousand messages. */
import { TextDecoder } from "node:util";

export type StreamName = "stdout" | "stderr";

/** At most one message in this time, for text of one stream. */
const BATCH_MS = 40;
/** Text that is sent at once however soon it follows, in UTF-16 units. */
const BATCH_LENGTH = 1 << 16;

/** Collects text by stream and by `Owner`, the cell that printed it. */
export class Streams<Owner> {
  #send: (owner: Owner, name: StreamName, text: string) => void;
  #pending: { readonly owner: Owner; readonly name: StreamName; text: string } | undefined;
  #sentMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (owner: Owner, name: StreamName, text: string) => void) {
    this.#send = send;
  }

  write(owner: Owner, name: StreamName, text: string): void {
    if (text === "") return;
    if (this.#pending?.owner !== owner || this.#pending.name !== name) this.flush();
    this.#pending ??= { owner, name, text: "" };
    this.#pending.text += text;
    if (Date.now() - this.#sentMs > BATCH_MS || this.#pending.text.length > BATCH_LENGTH) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  /** Sends what has been collected: before any other message, so that outputs keep their order. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#sentMs = Date.now();
    this.#send(pending.owner, pending.name, pending.text);
  }
}

type Done = (error?: Error | null) => void;

/** Hands what is written to `stream` (an output of this process) to `take`; where that refuses it, it goes its usual way. */
export function redirect(stream: NodeJS.WriteStream, take: (text: string) => boolean): void {
  const decoder = new TextDecoder();
  const write = stream.write.bind(stream) as (chunk: string | Uint8Array, done?: Done) => boolean;
  stream.write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Done, done?: Done): boolean => {
    const callback = typeof encoding === "function" ? encoding : done;
    const text =
      typeof chunk !== "string"
        ? decoder.decode(chunk, { stream: true })
        : typeof encoding === "string" && encoding !== "utf8" && encoding !== "utf-8"
          ? Buffer.from(chunk, encoding).toString()
          : chunk;
    if (!take(text)) return write(chunk, callback);
    if (callback !== undefined) process.nextTick(callback);
    return true;
  };
}
