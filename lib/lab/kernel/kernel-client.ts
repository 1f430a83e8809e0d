/** For tests: starts a kernel as Jupyter does and speaks to it over its sockets. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import * as zmq from "zeromq";
import { addressOf, decode, encode, NO_PARENT, type Connection, type Message } from "./wire";

export interface Output {
  readonly type: string;
  readonly content: Message["content"];
}

export interface Execution {
  readonly status: string;
  readonly reply: Message["content"];
  /** What was shown, statuses and the echo of the input left out. */
  readonly outputs: readonly Output[];
  /** All that was printed. */
  readonly text: string;
  /** The traceback of its error, without colours. */
  readonly traceback: string;
}

/** As in the kernelspec: Node would abort where a timer's callback is ended in the middle. */
const NODE_OPTIONS = ["--no-force-async-hooks-checks"];

interface Pending {
  readonly outputs: Output[];
  reply: Message | undefined;
  idle: boolean;
  readonly finish: (reply: Message) => void;
  readonly fail: (error: Error) => void;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Starts the kernel from a process that does nothing else, as Jupyter's server is another process than the client. */
  readonly byAnother?: boolean;
}

/** The program of that process. */
const STARTER = `
  const { spawn } = require("node:child_process");
  const env = { ...process.env, JPY_PARENT_PID: String(process.pid) };
  spawn(process.execPath, process.argv.slice(1), { env, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  setInterval(() => undefined, 1e6);`;

export class KernelClient {
  /** The kernel, or what has started it. */
  readonly process: ChildProcess;
  /** What the kernel writes to the terminal. */
  readonly output: Readable;
  #connection: Connection;
  #folder: string;
  #session = randomUUID();
  #shell = new zmq.Dealer({ linger: 0 });
  #control = new zmq.Dealer({ linger: 0 });
  #iopub = new zmq.Subscriber({ linger: 0 });
  #pending = new Map<string, Pending>();
  #watchers = new Set<() => void>();
  /** Everything that came on iopub, in its order. */
  readonly published: Message[] = [];

  private constructor(main: string, folder: string, { env, byAnother = false }: StartOptions) {
    // The names of such sockets are limited to about a hundred characters.
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-kernel-"));
    const ports = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 };
    this.#connection = { transport: "ipc", ip: path.join(this.#folder, "s"), key: "a key", ...ports };
    const file = path.join(this.#folder, "connection.json");
    fs.writeFileSync(file, JSON.stringify(this.#connection));
    const program = [...NODE_OPTIONS, main, file];
    const child = spawn(process.execPath, byAnother ? ["--eval", STARTER, "--", ...program] : program, {
      cwd: folder,
      env: { ...process.env, JPY_PARENT_PID: String(process.pid), ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process = child;
    this.output = child.stdout;
    this.process.once("exit", (code, signal) => {
      const error = new Error(`The kernel has ended (${signal ?? code}).`);
      for (const { fail } of this.#pending.values()) fail(error);
    });
    this.#shell.connect(addressOf(this.#connection, ports.shell_port));
    this.#control.connect(addressOf(this.#connection, ports.control_port));
    this.#iopub.connect(addressOf(this.#connection, ports.iopub_port));
    this.#iopub.subscribe();
  }

  /** Starts the kernel `main` in `folder` and waits until it answers and its outputs arrive. */
  static async start(main: string, folder: string, options: StartOptions = {}): Promise<KernelClient> {
    const client = new KernelClient(main, folder, options);
    void client.#read(client.#shell);
    void client.#read(client.#control);
    void client.#read(client.#iopub);
    // Outputs reach a subscriber only from some time after it has connected.
    do await client.request("kernel_info_request", {});
    while (client.published.length === 0);
    return client;
  }

  /** Runs a cell to its end. */
  async execute(code: string, options: object = {}): Promise<Execution> {
    const id = randomUUID();
    const { reply, outputs } = await this.#send(this.#shell, "execute_request", { code, ...options }, id);
    const printed = outputs.filter(({ type }) => type === "stream").map(({ content }) => content.text as string);
    const error = outputs.find(({ type }) => type === "error");
    const traceback = ((error?.content.traceback ?? []) as string[]).join("\n");
    return {
      status: reply.content.status as string,
      reply: reply.content,
      outputs,
      text: printed.join(""),
      traceback: stripVTControlCharacters(traceback),
    };
  }

  async request(type: string, content: object): Promise<Message["content"]> {
    return (await this.#send(this.#shell, type, content, randomUUID())).reply.content;
  }

  /** Asks on the control channel, as the stop button does. */
  async control(type: "interrupt_request" | "shutdown_request", content: object = {}): Promise<Message["content"]> {
    return (await this.#send(this.#control, type, content, randomUUID())).reply.content;
  }

  /** Waits until `condition` holds; it is looked at after each message that is published. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#watchers.add(resolve));
  }

  /** Waits until the kernel has printed `text`. */
  async printed(text: string): Promise<void> {
    const matches = ({ header, content }: Message): boolean =>
      header.msg_type === "stream" && String(content.text).includes(text);
    await this.until(() => this.published.some(matches));
  }

  async close(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exit = once(this.process, "exit");
      this.process.kill("SIGKILL");
      await exit;
    }
    for (const socket of [this.#shell, this.#control, this.#iopub]) socket.close();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #send(socket: zmq.Dealer, type: string, content: object, id: string): Promise<{ reply: Message; outputs: Output[] }> {
    return new Promise((resolve, reject) => {
      const outputs: Output[] = [];
      // Requests on the control channel are not followed by a status, and the first ones' may not be seen.
      const idle = socket === this.#control || type === "kernel_info_request";
      this.#pending.set(id, {
        outputs,
        reply: undefined,
        idle,
        finish: (reply) => resolve({ reply, outputs }),
        fail: reject,
      });
      const frames = encode(this.#connection.key, this.#session, NO_PARENT, type, content, [], id);
      socket.send(frames as (string | Buffer)[]).catch(reject);
    });
  }

  async #read(socket: zmq.Dealer | zmq.Subscriber): Promise<void> {
    for await (const frames of socket) {
      const message = decode(this.#connection.key, frames);
      if (message === undefined) throw new Error("The kernel sent a message with a wrong signature.");
      this.#take(message, socket === this.#iopub);
    }
  }

  #take(message: Message, published: boolean): void {
    const pending = this.#pending.get(message.parent.msg_id ?? "");
    const { msg_type: type } = message.header;
    if (published) {
      this.published.push(message);
      if (type === "status" && pending !== undefined) pending.idle ||= message.content.execution_state === "idle";
      else if (type !== "execute_input") pending?.outputs.push({ type, content: message.content });
      for (const wake of this.#watchers) wake();
      this.#watchers.clear();
    } else if (pending !== undefined) {
      pending.reply = message;
    }
    if (pending?.reply !== undefined && pending.idle) {
      this.#pending.delete(message.parent.msg_id ?? "");
      pending.finish(pending.reply);
    }
  }
}
