/** The main thread's side of the kernel's sockets, which live in a thread of their own (`io-thread.ts`). */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { StreamName } from "./streams";
import { encode, type Connection, type Frame, type Message, type Parent } from "./wire";

/** Numbers that both threads read at any time, by their place in the shared memory. */
export const Beat = {
  /** Number of the cell that executes; 0 while none does, or while it is compiled. */
  cell: 0,
  /** The last interrupt that the main thread has looked at. */
  seen: 1,
  /** How long the main thread may not look at an interrupt before its JavaScript is ended, in milliseconds. */
  patienceMs: 2,
} as const;

/** Patience with a cell whose library does not watch the signal: nothing would be finished by waiting. */
export const IMPATIENT_MS = 1000;

export interface ThreadData {
  readonly connection: Connection;
  readonly session: string;
  readonly beats: SharedArrayBuffer;
  /** Content of `kernel_info_reply`. */
  readonly info: object;
}

export type ToMain =
  | { readonly kind: "request"; readonly message: Message; readonly receivedMs: number }
  | { readonly kind: "interrupt"; readonly serial: number }
  | { readonly kind: "terminated"; readonly cell: number }
  | { readonly kind: "shutdown" };

export type FromMain =
  | { readonly kind: "send"; readonly channel: "iopub" | "shell"; readonly frames: Frame[] }
  | { readonly kind: "printing"; readonly parent: Parent }
  | { readonly kind: "print"; readonly name: StreamName; readonly text: string }
  | { readonly kind: "running"; readonly parent: Parent | undefined }
  | { readonly kind: "close" };

/** What the kernel does about what arrives. */
export interface Listener {
  request(message: Message, receivedMs: number): void;
  /** The user wants the cell that runs to stop. */
  interrupt(): void;
  /** The JavaScript of cell number `cell` was ended in the middle: no `finally` has run. */
  terminated(cell: number): void;
  shutdown(): void;
}

export class Channels {
  #key: string;
  #session = randomUUID();
  #beats = new Int32Array(new SharedArrayBuffer(4 * Object.keys(Beat).length));
  #worker: Worker;
  #printing: Parent | undefined;

  /** Binds the sockets. What arrives before `listen` waits. */
  constructor(connection: Connection, info: object) {
    this.#key = connection.key;
    this.patienceMs = IMPATIENT_MS;
    const data: ThreadData = {
      connection,
      session: this.#session,
      beats: this.#beats.buffer,
      info,
    };
    this.#worker = new Worker(path.join(__dirname, "io-thread.js"), { workerData: data });
    this.#worker.on("error", (error) => {
      process.stderr.write(`kernel: ${error.stack ?? error.message}\n`);
      process.exit(1);
    });
  }

  listen(listener: Listener): void {
    this.#worker.on("message", (message: ToMain) => {
      switch (message.kind) {
        case "request":
          return listener.request(message.message, message.receivedMs);
        case "interrupt":
          Atomics.store(this.#beats, Beat.seen, message.serial);
          return listener.interrupt();
        case "terminated":
          return listener.terminated(message.cell);
        case "shutdown":
          return listener.shutdown();
      }
    });
  }

  set executingCell(cell: number) {
    Atomics.store(this.#beats, Beat.cell, cell);
  }

  set patienceMs(patienceMs: number) {
    Atomics.store(this.#beats, Beat.patienceMs, patienceMs);
  }

  /** The request whose cell runs: the kernel stays busy for it while it answers others. */
  set running(parent: Parent | undefined) {
    this.#post({ kind: "running", parent: parent && { route: [], header: parent.header } });
  }

  /** Shows text that the cell of `parent` prints. The other thread collects it, so that it goes out while the cell computes. */
  print(parent: Parent, name: StreamName, text: string): void {
    if (this.#printing !== parent) {
      this.#printing = parent;
      this.#post({ kind: "printing", parent: { route: [], header: parent.header } });
    }
    this.#post({ kind: "print", name, text });
  }

  publish(parent: Parent, type: string, content: object): void {
    this.#post({
      kind: "send",
      channel: "iopub",
      frames: encode(this.#key, this.#session, parent, type, content, [`kernel.${type}`]),
    });
  }

  publishStatus(parent: Parent, state: "busy" | "idle"): void {
    this.publish(parent, "status", { execution_state: state });
  }

  reply(request: Parent, type: string, content: object): void {
    this.#post({ kind: "send", channel: "shell", frames: encode(this.#key, this.#session, request, type, content) });
  }

  /** Sends what is left and closes the sockets. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#post({ kind: "close" });
    await ended;
  }

  #post(message: FromMain): void {
    this.#worker.postMessage(message);
  }
}
