/**
 * Jupyter's wire format: signed JSON frames behind a routing prefix.
 * Source: "Messaging in Jupyter", version 5.3, section "The wire protocol".
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";

const DELIMITER = "<IDS|MSG>";
const PROTOCOL_VERSION = "5.3";

/** What a kernel is told by its connection file. */
export interface Connection {
  readonly transport: string;
  readonly ip: string;
  readonly key: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
}

/** Where the socket with this port listens: a number for TCP, the end of a file name for sockets of the file system. */
export function addressOf({ transport, ip }: Connection, port: number): string {
  return transport === "ipc" ? `ipc://${ip}-${port}` : `${transport}://${ip}:${port}`;
}

export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  /** ISO 8601, by the sender's clock. */
  readonly date: string;
  readonly version: string;
}

/** What a reply or an output refers to: the header of a request and the frames that lead back to its sender. */
export interface Parent {
  readonly route: readonly Uint8Array[];
  readonly header: Partial<Header>;
}

export interface Message extends Parent {
  readonly header: Header;
  /** The header of what it answers. */
  readonly parent: Partial<Header>;
  readonly content: Readonly<Record<string, unknown>>;
}

export type Frame = string | Uint8Array;

/** The parent of messages that answer nothing, such as the kernel's first status. */
export const NO_PARENT: Parent = { route: [], header: {} };

function sign(key: string, bodies: readonly Frame[]): string {
  if (key === "") return "";
  const hmac = createHmac("sha256", key);
  for (const body of bodies) hmac.update(body);
  return hmac.digest("hex");
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/** The message in `frames`, or undefined where its signature or its form is wrong: such messages are not answered. */
export function decode(key: string, frames: readonly Uint8Array[]): Message | undefined {
  const texts = frames.map((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString());
  const cut = texts.indexOf(DELIMITER);
  if (cut < 0 || texts.length < cut + 6) return undefined;
  const bodies = texts.slice(cut + 2, cut + 6);
  if (!equal(texts[cut + 1], sign(key, bodies))) return undefined;
  try {
    const [header, parent, , content] = bodies.map((body) => JSON.parse(body) as unknown);
    return {
      route: frames.slice(0, cut),
      header: header as Header,
      parent: parent as Partial<Header>,
      content: content as Message["content"],
    };
  } catch {
    return undefined;
  }
}

/** The frames of a message of `type` about `parent`. `route` is the topic on iopub, the way back to the sender elsewhere. */
export function encode(
  key: string,
  session: string,
  parent: Parent,
  type: string,
  content: object,
  route: readonly Frame[] = parent.route,
  id: string = randomUUID(),
): Frame[] {
  const header: Header = {
    msg_id: id,
    msg_type: type,
    session,
    username: parent.header.username ?? "kernel",
    date: new Date().toISOString(),
    version: PROTOCOL_VERSION,
  };
  const bodies = [header, parent.header, {}, content].map((part) => JSON.stringify(part));
  return [...route, DELIMITER, sign(key, bodies), ...bodies];
}
