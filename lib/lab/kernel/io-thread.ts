/**
 * The kernel's sockets, in a thread of their own: interrupts, shutdown and heartbeats are answered while a cell computes, and
 * what a cell prints goes out. Run as a worker by `channels.ts`.
 */
import inspector from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import * as zmq from "zeromq";
import { Beat, type FromMain, type ThreadData, type ToMain } from "./channels";
import { Streams } from "./streams";
import { addressOf, decode, encode, NO_PARENT, type Message, type Parent } from "./wire";

/** Longest time from a request to shut down, or the end of the parent, to the end of this process. */
const SHUTDOWN_MS = 3000;
const PARENT_CHECK_MS = 1000;
/** Unsent messages are kept this long after the sockets are closed. */
const LINGER_MS = 500;
/** How often a thread that compiles is looked at again: compiling must not be cut short. */
const COMPILING_CHECK_MS = 200;

if (parentPort === null) throw new Error("io-thread.js runs as a worker thread of the kernel.");
const main = parentPort;
const { connection, session, beats: beatBuffer, info } = workerData as ThreadData;
const beats = new Int32Array(beatBuffer);

/**
 * Messages are queued without limit, so that every send succeeds at once. Without a timeout of 0 zeromq still defers each
 * 513th send in a row, refuses those that follow it, and aborts the process.
 */
const QUEUED = { sendHighWaterMark: 0, sendTimeout: 0, linger: LINGER_MS };

const iopub = new zmq.Publisher(QUEUED);
const shell = new zmq.Router(QUEUED);
const control = new zmq.Router(QUEUED);
const stdin = new zmq.Router(QUEUED);
const heartbeat = new zmq.Reply(QUEUED);

/** The request of the cell that runs, told by the main thread. */
let running: Parent | undefined;
/** The request whose cell prints, as above. */
let printing: Parent = NO_PARENT;
let interrupts = 0;
let closing = false;

const tell = (message: ToMain): void => main.postMessage(message);

const streams = new Streams<Parent>((parent, name, text) =>
  send(iopub, encode(connection.key, session, parent, "stream", { name, text }, ["kernel.stream"])),
);

/** Sends a message, after what was printed before it: outputs keep their order. */
function send(socket: zmq.Router | zmq.Publisher, frames: (string | Uint8Array)[]): void {
  streams.flush();
  socket.send(frames as (string | Buffer)[]).catch((error: unknown) => {
    if (!closing) process.stderr.write(`kernel: a message was not sent: ${String(error)}\n`);
  });
}

const reply = (socket: zmq.Router, request: Message, type: string, content: object): void =>
  send(socket, encode(connection.key, session, request, type, content));

function publishStatus(state: "starting" | "busy" | "idle", parent: Parent): void {
  send(iopub, encode(connection.key, session, parent, "status", { execution_state: state }, ["kernel.status"]));
}

/** Answered here, so that a client sees the kernel alive while it starts or computes. */
function replyInfo(socket: zmq.Router, request: Message): void {
  publishStatus("busy", request);
  reply(socket, request, "kernel_info_reply", info);
  publishStatus("idle", request);
  if (running !== undefined) publishStatus("busy", running);
}

function shutdown(): void {
  if (closing) return;
  closing = true;
  tell({ kind: "shutdown" });
  setTimeout(() => process.kill(process.pid, "SIGKILL"), SHUTDOWN_MS).unref();
}

/** The main thread is asked to stop its cell. If it does not even look, it computes, and its JavaScript is ended. */
function interrupt(): void {
  const unseen = Atomics.load(beats, Beat.seen) < interrupts;
  const serial = ++interrupts;
  tell({ kind: "interrupt", serial });
  const check = (): void => {
    if (Atomics.load(beats, Beat.seen) >= serial) return;
    const cell = Atomics.load(beats, Beat.cell);
    if (cell === 0) setTimeout(check, COMPILING_CHECK_MS).unref();
    else terminate(cell);
  };
  setTimeout(check, unseen ? 0 : Atomics.load(beats, Beat.patienceMs)).unref();
}

function terminate(cell: number): void {
  const debug = new inspector.Session();
  debug.connectToMainThread();
  debug.post("Runtime.terminateExecution", () => {
    debug.disconnect();
    tell({ kind: "terminated", cell });
  });
}

async function serveShell(): Promise<void> {
  for await (const frames of shell) {
    const message = decode(connection.key, frames);
    if (message === undefined) continue;
    if (message.header.msg_type === "kernel_info_request") replyInfo(shell, message);
    else tell({ kind: "request", message, receivedMs: Date.now() });
  }
}

async function serveControl(): Promise<void> {
  for await (const frames of control) {
    const message = decode(connection.key, frames);
    switch (message?.header.msg_type) {
      case "interrupt_request":
        interrupt();
        reply(control, message, "interrupt_reply", { status: "ok" });
        break;
      case "shutdown_request":
        reply(control, message, "shutdown_reply", { status: "ok", restart: message.content.restart === true });
        shutdown();
        break;
      case "kernel_info_request":
        replyInfo(control, message);
        break;
      case undefined: // not signed by a client of this kernel
        break;
    }
  }
}

async function serveHeartbeat(): Promise<void> {
  for await (const frames of heartbeat) await heartbeat.send(frames);
}

/** Jupyter may be killed without a word to its kernels: they would compute on for nobody. */
function watchParent(): void {
  const parent = process.ppid;
  if (process.env.JPY_PARENT_PID !== String(parent)) return;
  setInterval(() => {
    if (process.ppid !== parent) shutdown();
  }, PARENT_CHECK_MS).unref();
}

function obey(message: FromMain): void {
  switch (message.kind) {
    case "send":
      send(message.channel === "iopub" ? iopub : shell, message.frames);
      break;
    case "printing":
      printing = message.parent;
      break;
    case "print":
      streams.write(printing, message.name, message.text);
      break;
    case "running":
      running = message.parent;
      break;
    case "close":
      streams.flush();
      closing = true;
      for (const socket of [iopub, shell, control, stdin, heartbeat]) socket.close();
      main.close();
      break;
  }
}

async function start(): Promise<void> {
  const bind = (socket: zmq.Socket & { bind(address: string): Promise<void> }, port: number): Promise<void> =>
    socket.bind(addressOf(connection, port));
  await Promise.all([
    bind(iopub, connection.iopub_port),
    bind(shell, connection.shell_port),
    bind(control, connection.control_port),
    bind(stdin, connection.stdin_port),
    bind(heartbeat, connection.hb_port),
  ]);
  publishStatus("starting", NO_PARENT);
  main.on("message", obey);
  watchParent();
  await Promise.all([serveShell(), serveControl(), serveHeartbeat()]);
}

void start();
